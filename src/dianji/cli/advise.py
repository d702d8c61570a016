"""``dianji advise``: which base and which way of tuning to begin with, and the recipe for it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dianji.cli.answer import Answer
from dianji.cli.options import Columns, DataPath, Force, Json, Quiet, RecipeOut, columns_of, require_free

if TYPE_CHECKING:
    from dianji.advice import Advice, Option

Minutes = Annotated[float | None, typer.Option("--minutes", help="How long a run may take.", show_default=False)]
Memory = Annotated[
    float | None,
    typer.Option(
        "--memory", metavar="GB", help="How much memory it may use; default: what is free.", show_default=False
    ),
]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option("--device", help="Where it is to run.")]
Bases = Annotated[
    list[str] | None,
    typer.Option("--base", help="Only this base (several times: these), and no new networks.", show_default=False),
]
Compare = Annotated[bool, typer.Option("--compare", help="Also write a comparison of all candidates that fit.")]


def advise(
    data: DataPath,
    column: Columns = None,
    minutes: Minutes = None,
    memory: Memory = None,
    device: Device = "auto",
    base: Bases = None,
    out: RecipeOut = Path("recipe.yaml"),
    compare: Compare = False,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> Answer:
    """Time candidates for the data on this machine, rank them, and write the recipe of the first."""
    from dianji import verbs
    from dianji.cli.progress import reporter
    from dianji.store.atomic import write_text

    require_free(out, force=force)
    advice = verbs.advise(
        data,
        columns=columns_of(column),
        minutes=minutes,
        memory_gb=memory,
        device=device,
        bases=base or (),
        recipe=out,
        reporter=reporter(silent=as_json or quiet),
    )
    chosen = advice.chosen
    if chosen is not None:
        write_text(out, _recipe(advice, chosen, out, compare=compare))
    written = None if chosen is None else str(out)
    return Answer(
        {**advice.to_json(), "recipe": written},
        lambda: _show(advice, written, compare=compare),
        exit_code=int(chosen is None),
    )


def _recipe(advice: Advice, chosen: Option, out: Path, *, compare: bool) -> str:
    """The recipe as YAML, with the reasons as comments."""
    import yaml

    from dianji.cli.tables import clean
    from dianji.spec.sections import Recipe

    recipe = (advice.comparison if compare else None) or chosen.recipe
    comments = [f"Advised for {clean(advice.data)} on {advice.machine.device}: {clean(chosen.name)}."]
    comments += [f"  {clean(str(reason))}" for reason in (*chosen.reasons, _costs(chosen))]
    text = "".join(f"# {line}\n" for line in comments) + yaml.safe_dump(
        recipe, sort_keys=False, allow_unicode=True, width=120
    )
    Recipe.parse(text, source=str(out), folder=out.absolute().parent)  # the written recipe can be read
    return text


def _costs(option: Option) -> str:
    from dianji.cli.progress import clock

    forecast = option.forecast
    if forecast is None:
        return "its cost is not known"
    return f"about {clock(forecast.seconds)} and {forecast.peak_memory_mb:,.0f} MB here"


def _show(advice: Advice, written: str | None, *, compare: bool) -> None:
    from dianji.cli.tables import clean, print_pairs, print_table

    print_pairs(
        [*advice.facts.items(), ("machine", f"{advice.machine.device}, {advice.machine.memory_gb:g} GB may be used")]
    )
    print()
    header = ["", "candidate", "learns", "training", "whole run", "memory", "rows/s"]
    print_table(header, list(_lines(advice)), right=range(2, 7))
    for number, option in enumerate(advice.options, start=1):
        print(f"\n{number}. {clean(option.name)}")
        for reason in option.reasons:
            print(f"   {clean(str(reason))}")
        if option.obstacle is not None:
            print(f"   cannot be chosen: {clean(str(option.obstacle))}")
    print(f"\nThe rule: {advice.rule}")
    for note in advice.notes:
        print(f"Note: {clean(str(note))}")
    if written is None:
        print("\nNo candidate fits. Allow more time (--minutes) or memory (--memory), or use fewer rows.")
        return
    if compare and advice.comparison is None:
        print("Note: no comparison was written: it takes labels, and two candidates that fit.")
    verb = "compare" if compare and advice.comparison is not None else "run"
    print(f"\nWritten: {written}\nNext: dianji {verb} {shlex.quote(written)}")


def _lines(advice: Advice) -> Iterator[Sequence[str]]:
    from dianji.cli.progress import clock

    for number, option in enumerate(advice.options, start=1):
        place = str(number) if option.fits else "-"
        if option.forecast is None:
            yield [place, option.name, "", "", "", "", ""]
            continue
        forecast = option.forecast
        yield [
            place,
            option.name,
            f"{forecast.trained_parameters:,}",
            clock(forecast.train_seconds),
            clock(forecast.seconds),
            f"{forecast.peak_memory_mb:,.0f} MB",
            f"{forecast.samples_per_second:,.0f}",
        ]
