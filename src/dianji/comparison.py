"""The result of ``dianji compare``: frozen values that a skin prints and the store keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dianji.evaluate.metric import Estimate
from dianji.evaluate.paired import Verdict
from dianji.messages import Message


@dataclass(frozen=True)
class Difference:
    """One variant against another, on the same rows and seeds."""

    to: str
    difference: Estimate  # in the metric's own unit; its interval is not corrected for how many were made
    tests: Mapping[str, float]  # name of the test -> p
    p: float  # the largest of the tests', corrected after Holm
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "difference": self.difference.to_json(), "tests": dict(self.tests)}


@dataclass(frozen=True)
class VariantCost:
    """The cost of one run of a variant: mean over its seeds, except for memory, which is the maximum."""

    parameters: int
    trained_parameters: int
    train_seconds: float
    peak_memory_mb: float
    milliseconds: float  # per prediction, rows one at a time, on one thread of the CPU
    bytes: int  # of the artefact's folder


@dataclass(frozen=True)
class VariantResult:
    """One row of the table. A variant that failed has its failure and no figures."""

    name: str
    stage: str
    steps: tuple[str, ...]  # digests, one for each seed
    artefacts: tuple[Path, ...]
    score: Estimate | None = None
    values: tuple[float, ...] = ()  # the score of each seed
    cost: VariantCost | None = None
    against_first: Difference | None = None
    against_best: Difference | None = None
    failure: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            "stage": self.stage,
            "steps": list(self.steps),
            "artefacts": [str(path) for path in self.artefacts],
            "score": None if self.score is None else self.score.to_json(),
            "values": list(self.values),
            "cost": None if self.cost is None else asdict(self.cost),
            "against_first": None if self.against_first is None else self.against_first.to_json(),
            "against_best": None if self.against_best is None else self.against_best.to_json(),
            "failure": self.failure,
        }


@dataclass(frozen=True)
class Recommendation:
    """The variant to ship, and the rule of the choice."""

    variant: str
    artefact: Path  # of the variant's first seed
    message: Message
    rule: Message

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "variant": self.variant,
            "artefact": str(self.artefact),
            "message": self.message.to_json(),
            "rule": self.rule.to_json(),
        }


@dataclass(frozen=True)
class Comparison:
    """Variants on the same test rows and seeds. ``notes`` are the limits of the comparison."""

    recipe: str
    digest: str
    metric: str
    higher_is_better: bool
    split: str
    rows: int
    seeds: tuple[int, ...]
    variants: tuple[VariantResult, ...]
    recommendation: Recommendation | None = None
    notes: tuple[Message, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The document that ``dianji compare --json`` prints and the store keeps."""
        return {
            "recipe": self.recipe,
            "digest": self.digest,
            "metric": self.metric,
            "higher_is_better": self.higher_is_better,
            "split": self.split,
            "rows": self.rows,
            "seeds": list(self.seeds),
            "variants": [variant.to_json() for variant in self.variants],
            "recommendation": None if self.recommendation is None else self.recommendation.to_json(),
            "notes": [note.to_json() for note in self.notes],
        }
