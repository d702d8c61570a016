"""``dianji run``: runs a recipe, and shows its results."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dianji.cli import compare
from dianji.cli.answer import Answer
from dianji.cli.options import Json, Quiet, RecipeFile

if TYPE_CHECKING:
    from dianji.evaluate.metric import Estimate
    from dianji.results import Cost, RunResult, StageResult

StageName = Annotated[
    str | None, typer.Option("--stage", help="Only this stage and what it starts from; no comparison.")
]
Again = Annotated[bool, typer.Option("--again", help="Run the stage (or the last one) although it is done.")]
Profile = Annotated[bool, typer.Option("--profile", help="Tell where the time went, and trace some steps.")]


def run(
    recipe: RecipeFile,
    stage: StageName = None,
    again: Again = False,
    profile: Profile = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> Answer:
    """Run the missing stages of a recipe. Finished stages are reused; an interrupted one is resumed."""
    from dianji import verbs
    from dianji.cli.progress import reporter
    from dianji.spec.sections import Recipe

    loaded = Recipe.load(recipe)
    try:
        progress = reporter(silent=as_json or quiet)
        result = verbs.run(loaded, stage=stage, again=again, profile=profile, reporter=progress)
    except KeyboardInterrupt as error:
        reason = f"{error}. " if str(error) else ""
        error.args = (f"{reason}Run the same command again to go on.",)
        raise
    return Answer(result.to_json(), lambda: _show(result))


def _show(result: RunResult) -> None:
    for stage in result.stages:
        _stage(stage)
    if result.comparison is not None:
        compare.show(result.comparison)
    _next(result.stages[-1])


def _stage(stage: StageResult) -> None:
    from dianji.cli.tables import near, print_pairs, print_table

    print(f"\n{stage.name}{' (done before)' if stage.reused else ''}")
    for split in ["test"] if "test" in stage.metrics else list(stage.metrics):  # the rest is in the evidence
        metrics = stage.metrics[split]
        baselines = {name: of[split] for name, of in stage.baselines.items() if split in of}
        rows = _rows(stage.primary, metrics, baselines)
        header = [f"{split} ({_count(metrics)} rows)", "value", "95 % interval", *baselines]
        print_table(header, rows, right=range(1, len(header)))
    print_pairs([("cost", _cost(stage.cost)), ("artefact", near(stage.artefact))])
    if stage.profile is not None:
        _profile(stage.profile)


def _profile(profile: Mapping[str, Any]) -> None:
    from dianji.cli.tables import near, print_table

    seconds: Mapping[str, float] = profile["seconds"]
    whole = sum(seconds.values())
    rows = [[phase, f"{spent:,.2f}", f"{spent / whole:.1%}"] for phase, spent in seconds.items()]
    header = [f"where the time went ({profile['steps']:,} steps)", "seconds", "share"]
    print_table(header, [*rows, ["all", f"{whole:,.2f}", ""]], right=(1, 2))
    if profile["trace"] is None:
        print("There were too few steps for a trace.")
    else:
        print(f"A trace of some steps, for https://ui.perfetto.dev: {near(Path(profile['trace']))}")


def _rows(
    primary: str, metrics: Mapping[str, Estimate], baselines: Mapping[str, Mapping[str, Estimate]]
) -> Sequence[Sequence[str]]:
    """The primary metric first; a baseline's value where it has one."""
    from dianji.cli.tables import estimate

    names = sorted(metrics, key=lambda name: name != primary)
    return [
        [name, *estimate(metrics[name]), *(f"{of[name].value:.4f}" if name in of else "" for of in baselines.values())]
        for name in names
    ]


def _count(metrics: Mapping[str, Estimate]) -> str:
    return f"{max((value.n for value in metrics.values()), default=0):,}"


def _cost(cost: Cost) -> str:
    from dianji.cli.progress import clock

    return (
        f"{clock(cost.train_seconds)} of training, {cost.samples_per_second:,.0f} samples/s, "
        f"{cost.peak_memory_mb:,.0f} MB at most, {cost.trainable_parameters:,} of {cost.parameters:,} parameters learnt"
    )


def _next(stage: StageResult) -> None:
    from dianji.cli.tables import near

    artefact = shlex.quote(near(stage.artefact))
    inputs = '--text "…"' if stage.modality == "text" else "FILE"
    print("\nTry next:")
    print(f"  dianji predict {artefact} {inputs}")
    print(f"  dianji show {artefact}")
