"""Reports on an artefact, or on every finished stage of a recipe, as a page for people."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeVar, get_args

from dianji.errors import CapabilityError, StoreError, did_you_mean
from dianji.messages import Language
from dianji.pipeline.comparison_cache import cached_comparison
from dianji.pipeline.comparison_plan import plan_comparison
from dianji.pipeline.plan import schedule
from dianji.pipeline.plan_data import DataCache
from dianji.report.blocks import LANGUAGES, Chapter, Document, said
from dianji.report.compared import comparison_chapter
from dianji.report.compose import of_artefact, of_recipe
from dianji.report.html import to_html
from dianji.report.markdown import to_markdown
from dianji.report.subject import Subject
from dianji.results import Reported
from dianji.spec.sections import Recipe
from dianji.store.atomic import new_folder, write_text
from dianji.store.steps import Store

T = TypeVar("T", bound=str)

Format = Literal["html", "md"]
FORMATS: tuple[Format, ...] = get_args(Format)


def report(
    subject: Path | str,
    *,
    out: Path | str | None = None,
    language: str = "en",
    format: str | None = None,
    rows: bool = True,
    store: Store | None = None,
) -> Reported:
    """Write a report on a model: one self-contained HTML file, or Markdown with its pictures beside it.

    Nothing is trained and nothing is measured again.

    Args:
        subject: an artefact, or a recipe file, whose finished stages and comparison are reported.
        out: the file to write; default: named after recipe and stage, in the working folder.
        language: of Dianji's own words.
        format: default: by the suffix of ``out``, else ``html``.
        rows: whether texts and pictures of the data may be shown; figures are shown in any case.
        store: where a recipe's steps lie; default ``$DIANJI_HOME`` or ``.dianji``.

    Raises:
        ArtefactError: not an artefact, or a file has changed since it was saved.
        CapabilityError: the extra ``report`` is missing, or there is no such language or format.
        RecipeError: the recipe has faults.
        StoreError: no stage of the recipe is finished, or the file cannot be written.
    """
    spoken = _known("language", language, LANGUAGES)
    path = Path(subject)
    is_recipe = path.is_file() or path.suffix.lower() in {".yaml", ".yml"}
    document = (
        _of_recipe(path, store or Store.default(), rows=rows)
        if is_recipe
        else of_artefact(Subject.open(path, shows_rows=rows))
    )
    suffix = Path(out or "").suffix.lower()
    form = _known("format", format or ("md" if suffix in {".md", ".markdown"} else "html"), FORMATS)
    target = Path(out) if out else Path(f"{_file_name(document)}.{form}")
    if target.is_dir():
        raise StoreError(f"{target}: this is a folder. Name a file in it, such as {target / 'report.html'}.")
    files = _write_markdown(document, target, spoken) if form == "md" else _write_html(document, target, spoken)
    return Reported(target, files, spoken, tuple(_titles(document.chapters, spoken)))


def _known(what: str, given: str, known: tuple[T, ...]) -> T:
    found = next((one for one in known if one == given), None)
    if found is None:
        raise CapabilityError(f"there is no report in the {what} '{given}'. {did_you_mean(given, known)}")
    return found


def _of_recipe(path: Path, store: Store, *, rows: bool) -> Document:
    """Finds finished steps through the plan, so that a changed recipe is not taken for the one that ran.

    Raises:
        RecipeError: the recipe, or a variant of its comparison, has faults.
        StoreError: no stage is finished and nothing was compared, or the stored result of a comparison is damaged.
    """
    recipe, data_cache = Recipe.load(path), DataCache()
    plan = schedule(recipe, store, data_cache).plan()
    done = [stage for stage in plan.stages if stage.state == "done"]
    compared = None if recipe.compare is None else cached_comparison(plan_comparison(recipe, store, data_cache), store)
    if not done and compared is None:
        raise StoreError(
            f"{path}: none of its stages is finished in {store.home}, as the recipe and its data are now. "
            f"Run it first: dianji run {path}"
        )
    unfinished = [stage.name for stage in plan.stages if stage.state != "done"]
    about = None if recipe.compare is None else comparison_chapter(compared)
    subjects = [Subject.open(stage.folder / "artefact", shows_rows=rows) for stage in done]
    return of_recipe(plan.recipe, subjects, unfinished, about)


def _file_name(document: Document) -> str:
    """A title as the name of a file."""
    return re.sub(r"[^\w.-]+", "-", said(document.title, "en")).strip("-.") or "report"


def _titles(chapters: Sequence[Chapter], language: Language) -> Iterator[str]:
    for chapter in chapters:
        yield said(chapter.title, language)
        yield from _titles(chapter.chapters, language)


def _write_html(document: Document, target: Path, language: Language) -> tuple[Path, ...]:
    write_text(target, to_html(document, language))
    return (target,)


def _write_markdown(document: Document, target: Path, language: Language) -> tuple[Path, ...]:
    """The text, and a folder of pictures beside it, which replaces the one of an earlier report."""
    folder = target.with_name(f"{target.stem}-pictures")
    written = to_markdown(document, language, folder.name)
    strange = [path.name for path in folder.glob("*") if not re.fullmatch(r"\d{2,}\.(svg|png)", path.name)]
    if strange:
        raise StoreError(
            f"{folder}: holds a file that is no picture of a report ({strange[0]}), so it is not replaced. "
            "Move the folder away, or give the report another name with --out."
        )
    with new_folder(folder) as temporary:
        for name, content in written.pictures.items():
            (temporary / name).write_bytes(content)
    write_text(target, written.text)
    return target, *(folder / name for name in written.pictures)
