"""``dianji compare``: runs the variants of a recipe, and recommends one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dianji.cli.answer import Answer
from dianji.cli.options import Json, Quiet, RecipeFile

if TYPE_CHECKING:
    from dianji.comparison import Comparison, Difference, VariantCost, VariantResult


def compare(recipe: RecipeFile, as_json: Json = False, quiet: Quiet = False) -> Answer:
    """Run the variants that a recipe compares, on the same test rows and seeds, and recommend one."""
    from dianji import verbs
    from dianji.cli.progress import reporter
    from dianji.spec.sections import Recipe

    loaded = Recipe.load(recipe)
    try:
        result = verbs.compare(loaded, reporter=reporter(silent=as_json or quiet))
    except KeyboardInterrupt as error:
        reason = f"{error}. " if str(error) else ""
        raise KeyboardInterrupt(f"{reason}Run the same command again to go on.") from None
    return Answer(result.to_json(), lambda: show(result))


def show(result: Comparison) -> None:
    """Print scores, costs, the recommendation, and the notes."""
    from dianji.cli.tables import clean, print_table

    finished = [variant for variant in result.variants if variant.score is not None]
    seeds = ", ".join(map(str, result.seeds))
    print(f"\n{result.metric} on {result.rows:,} {result.split} rows, mean of the seeds {seeds}")
    against = f"against {clean(finished[0].name)}"
    header = ["variant", "value", "95 % interval", against, "95 % interval", "in words"]
    print_table(header, [_score(variant) for variant in finished], right=(1, 2, 3, 4))
    print("\nwhat it costs")
    header = ["variant", "learnt", "parameters", "training", "memory", "prediction", "on disk"]
    print_table(header, [_cost(v.name, v.cost) for v in finished if v.cost is not None], right=range(1, 7))
    for variant in result.variants:
        if variant.failure is not None:
            print(f"failed: {clean(variant.name)} {clean(variant.failure)}")
    if result.recommendation is not None:
        print(f"\n{clean(str(result.recommendation.message))}")
        print(f"The rule: {result.recommendation.rule}")
    for note in result.notes:
        print(f"Note: {clean(str(note))}")


def _score(variant: VariantResult) -> Sequence[str]:
    from dianji.cli.tables import estimate

    if variant.score is None:
        return [variant.name, "", "", "", "", ""]
    return [variant.name, *estimate(variant.score), *_difference(variant.against_first)]


def _difference(found: Difference | None) -> tuple[str, str, str]:
    if found is None:
        return "", "", ""
    value = found.difference
    words = found.verdict if found.verdict == "no verdict" else f"{found.verdict} (p {_p(found.p)})"
    return f"{value.value:+.4f}", f"{value.low:+.4f} … {value.high:+.4f}", words


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def _cost(name: str, cost: VariantCost) -> Sequence[str]:
    from dianji.cli.progress import clock

    return [
        name,
        f"{cost.trained_parameters:,}",
        f"{cost.parameters:,}",
        clock(cost.train_seconds),
        f"{cost.peak_memory_mb:,.0f} MB",
        f"{cost.milliseconds:,.1f} ms",
        f"{cost.bytes / 1e6:,.1f} MB",
    ]
