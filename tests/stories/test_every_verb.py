"""Every verb on every kind of artefact, each trained for a few steps; which kinds there are, the registry says.

``make test`` draws some of them by the seed of the run, ``make test-all`` takes all.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

import dianji
import tests.contracts
from dianji import verbs
from dianji.cli import invoke
from dianji.spec.sections import Recipe
from dianji.store.steps import Store
from dianji.testing.completeness import CONTRACTS, contracts_of
from dianji.testing.kinds import Kind, base_of, drawn, kinds
from dianji.testing.layouts import Written
from tests.stories import elsewhere
from tests.stories.conftest import Watcher
from tests.stories.same import differences

BEGAN = time.monotonic()
#: Of all kinds, which is about fifty of them.
SHARE = 0.06
#: What may be said of kinds that there cannot be.
REFUSED = (
    "is an encoder-decoder",
    "evaluate.label_errors: needs a task with one label per row",
    "has no mask token in its tokenizer",
    "transformers has no AutoModelFor",
    "has no weights in its head",
    "has no layer to adapt",
    "lbfgs fits a linear head on frozen features",
    "needs features that know something",
    "there is no room for",
    "packing does not work with base",
    "solver lbfgs fits one linear layer",
)


def contract_tests() -> list[Any]:
    for module in pkgutil.iter_modules(tests.contracts.__path__):
        importlib.import_module(f"tests.contracts.{module.name}")
    found = [cls for kind in CONTRACTS for cls in contracts_of(kind)]
    return sorted((cls for cls in found if cls.__module__.startswith("tests.contracts.")), key=_place)


def _place(cls: type) -> tuple[str, str]:
    return cls.__module__, cls.__qualname__


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind" in metafunc.fixturenames:
        seed = int(getattr(metafunc.config.option, "randomly_seed", 0) or 0)
        amount = metafunc.config.getoption("kinds")
        found = kinds(contract_tests(), seed, everything=amount == "product")
        chosen = drawn(found, SHARE, seed) if amount == "some" else found
        metafunc.parametrize("kind", [pytest.param(kind, id=str(kind)) for kind in chosen])


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of toy bases, written once."""
    return tmp_path_factory.mktemp("bases")


@dataclass
class Walk:
    """One kind of artefact on its way through the verbs; whatever goes wrong is told in the end, all at once."""

    folder: Path
    capture: pytest.CaptureFixture[str]
    faults: list[str] = field(default_factory=list)

    @contextmanager
    def verb(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001  # told with the others
            place = traceback.extract_tb(error.__traceback__)[-1]
            self.faults.append(f"{name}: {Path(place.filename).name}:{place.lineno}: {type(error).__name__}: {error}")

    def ask(self, *arguments: object) -> dict[str, Any]:
        """What ``dianji … --json`` prints."""
        self.capture.readouterr()
        code = invoke([*map(str, arguments), "--json"])
        document: dict[str, Any] = json.loads(self.capture.readouterr().out)
        if code:
            told = document.get("error", document)
            raise AssertionError(f"exit code {code}: {json.dumps(told, ensure_ascii=False)[:3000]}")
        return document

    def expect(self, what: str, found: object, expected: object) -> None:
        if found != expected:
            self.faults.append(f"{what}: expected {expected!r}, found {found!r}")


@pytest.fixture
def _in_time(pytestconfig: pytest.Config) -> None:
    minutes = float(pytestconfig.getoption("kinds_minutes"))
    if minutes and time.monotonic() - BEGAN > 60 * minutes:
        pytest.skip(f"{minutes:g} minutes are over")


@pytest.mark.usefixtures("_in_time")
def test_every_verb(kind: Kind, shelf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    walk = Walk(tmp_path, capsys)
    table = kind.task.table()
    (tmp_path / "data").mkdir()
    written = kind.layout.write(table, tmp_path / "data")
    recipe = write_recipe(kind, shelf, written, tmp_path / "recipe.yaml")
    try:
        ran = walk.ask("run", recipe)
    except AssertionError as refused:
        if not any(reason in str(refused) for reason in REFUSED):
            raise
        return
    artefact = Path(ran["stages"][-1]["artefact"])
    _resumed(walk, recipe, artefact, 1 + crc32(str(kind).encode()) % 10)
    _asked(walk, kind, artefact, written)
    _looked_at(walk, recipe, artefact, written.file)
    _opened_elsewhere(walk, kind, artefact)
    _searched(walk, artefact)
    _started_from(walk, kind, artefact, written)
    assert not walk.faults, "\n".join(["", *walk.faults])


def _resumed(walk: Walk, recipe: Path, artefact: Path, place: int) -> None:
    """Killed at some place and taken up again in another store: the same folder, byte for byte."""
    store = Store(walk.folder / "other home")
    with walk.verb("resume"):
        try:
            verbs.run(Recipe.load(recipe), store=store, reporter=Watcher(crash_at=place, anywhere=True))
        except RuntimeError as killed:
            if str(killed) != "killed":
                raise
        again = verbs.run(Recipe.load(recipe), store=store)
        walk.faults += [f"resume: {told}" for told in differences(artefact, again.stages[-1].artefact)]


def _asked(walk: Walk, kind: Kind, artefact: Path, written: Written) -> None:
    file, named = written.file, ["--encoding", written.section.get("encoding", "auto")]
    rows = kind.task.table().num_rows
    with walk.verb("predict"):
        rows = len(walk.ask("predict", artefact, file, *named)["predictions"])
        told = walk.ask("predict", artefact, file, "--out", walk.folder / "predictions.jsonl", "--everything", *named)
        walk.expect("predict --out", told["rows"], rows)
    with walk.verb("open"):
        model = dianji.open(artefact)
        model.reproduce()
    with walk.verb("evaluate"):
        walk.expect("evaluate: rows", walk.ask("evaluate", artefact, file, *named)["rows"], rows)


def _looked_at(walk: Walk, recipe: Path, artefact: Path, file: Path) -> None:
    with walk.verb("show"):
        walk.expect("show", walk.ask("show", artefact)["artefact"], str(artefact))
        walk.ask("show", artefact, "--lineage")
    with walk.verb("report"):
        walk.ask("report", artefact, "--out", walk.folder / "report.html", "--lang", "zh")
    with walk.verb("verify --data"):
        found = walk.ask("verify", artefact, "--data", file)["predictions"]
        walk.expect("verify --data", [split["compared"] for split in found], [split["rows"] for split in found])
    with walk.verb("diff"):
        found = walk.ask("diff", artefact, artefact)
        walk.expect("diff", [found[part] for part in ("recipe", "data", "cost")], [[], [], []])
    with walk.verb("log"):
        walk.expect("log", [past["state"] for past in walk.ask("log")["runs"]], ["done"])


def _opened_elsewhere(walk: Walk, kind: Kind, artefact: Path) -> None:
    """What the folder says of itself to other libraries is true, without Dianji."""
    with walk.verb("opened elsewhere"):
        elsewhere.check(artefact, kind.task.table())


def _searched(walk: Walk, artefact: Path) -> None:
    """An index of the artefact's vectors; a task that gives none is refused."""
    documents, index = walk.folder / "documents.txt", walk.folder / "index"
    documents.write_text("where is my card\ni lost the refund today\n", encoding="utf-8")
    model = dianji.open(artefact)
    with walk.verb("index"):
        if model.task.embedder(model.base) is None:
            with pytest.raises(AssertionError, match="gives no vectors of texts"):
                walk.ask("index", documents, "--out", index, "--model", artefact)
            return
        walk.ask("index", documents, "--out", index, "--model", artefact)
        for way in ("vectors", "hybrid"):
            hits = walk.ask("search", index, "where is my card", "--by", way)["queries"][0]["hits"]
            walk.expect(f"search --by {way}", len(hits), 2)
        walk.expect("verify of an index", walk.ask("verify", index, "--data", documents)["ok"], True)


def _started_from(walk: Walk, kind: Kind, artefact: Path, written: Written) -> None:
    """The artefact as a base of the same task."""
    with walk.verb("from"):
        recipe = write_recipe(kind, Path(), written, walk.folder / "next.yaml", base=str(artefact))
        later = Path(walk.ask("run", recipe)["stages"][-1]["artefact"])
        walk.ask("verify", later, "--ledger")
        walk.ask("diff", artefact, later)


def write_recipe(kind: Kind, shelf: Path, written: Written, path: Path, base: str = "") -> Path:
    """A recipe of one stage that trains for three steps, or fits its head."""
    train: dict[str, Any] = {"solver": kind.solver, "checkpoint_every": 1}
    if not kind.adaptation.head_only or kind.solver == "loop":
        train["steps"] = 3
    stage = {
        "task": kind.task.written,
        "data": "rows",
        "adapt": kind.adaptation.written,
        "train": train,
        "evaluate": {"resamples": 100},
        **written.stage,
    }
    recipe = {
        "name": "toy",
        "seed": 1,
        "base": base or base_of(kind, shelf),
        "data": {"rows": dict(written.section)},
        "stages": {"s": stage},
    }
    path.write_text(json.dumps(recipe, ensure_ascii=False), encoding="utf-8")
    return path
