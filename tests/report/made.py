"""A comparison that was made up, with names that no page may take at their word."""

from __future__ import annotations

from pathlib import Path

from dianji.comparison import Comparison, Difference, Recommendation, VariantCost, VariantResult
from dianji.evaluate.metric import Estimate
from dianji.messages import Message

HOSTILE = "<script>alert(1)</script> | $x$ & \u202e"


def comparison(**changes: object) -> Comparison:
    """Three variants: the best, one that is as good and cheaper, one that failed."""
    score = Estimate(0.93, 0.91, 0.95, 400)
    difference = Estimate(-0.01, -0.02, 0.01, 400)
    against = Difference("full", difference, {"paired-bootstrap": 0.4}, 0.4, "not distinguishable")
    cost = VariantCost(1000, 1000, 120.0, 512.0, 4.0, 4_000_000)
    small = VariantCost(1000, 200, 12.0, 256.0, 1.0, 4_000_000)
    name = f"small {HOSTILE}"
    faster = Message("saving.predicts-and-trains-faster", {"predicts": 4.0, "trains": 10.0})
    figures = {"difference": -0.01, "low": -0.02, "high": 0.01}
    names = {"variant": name, "best": "full"}
    cheaper = Message("recommendation.cheaper", {**names, **figures, "saving": faster})
    told = {
        "recipe": "desk",
        "digest": "c" * 32,
        "metric": "accuracy",
        "higher_is_better": True,
        "split": "test",
        "rows": 400,
        "seeds": (3, 4),
        "variants": (
            VariantResult("full", "intent", ("a",), (Path("a"),), score, (0.93, 0.93), cost),
            VariantResult(
                name, "intent", ("b",), (Path("b"),), Estimate(0.92, 0.9, 0.94, 400), (0.92,), small, against, against
            ),
            VariantResult("broken", "intent", ("c",), (), failure=f"with seed 3: {HOSTILE}"),
        ),
        "recommendation": Recommendation(name, Path("b"), cheaper, Message("recommendation.rule", {"slower": 1.25})),
        "notes": (Message("comparison.few-seeds", {"seeds": 2, "enough": 3}),),
    }
    return Comparison(**{**told, **changes})  # type: ignore[arg-type]  # fields by name
