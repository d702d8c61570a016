"""The results of the verbs: frozen values that a skin prints and ``to_json`` writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from dianji.comparison import Comparison
from dianji.evaluate.metric import Estimate

#: split -> metric -> estimate
Metrics = Mapping[str, Mapping[str, Estimate]]


def metrics_to_json(metrics: Metrics) -> dict[str, dict[str, dict[str, float | int]]]:
    """The shape that ``--json`` prints and ``metrics.json`` holds."""
    return {split: {name: value.to_json() for name, value in of.items()} for split, of in metrics.items()}


@dataclass(frozen=True)
class Cost:
    """The measured cost of a stage."""

    train_seconds: float
    samples_per_second: float  # examples seen by the optimiser per second of training, evaluation left out
    peak_memory_mb: float
    parameters: int
    trainable_parameters: int


@dataclass(frozen=True)
class PlannedStage:
    """One step of the plan. ``state`` is the state of the step in the store.

    A stage is ``waiting`` where an earlier stage has to make its rows first: digest, rows and folder are not known.
    """

    name: str
    digest: str
    state: Literal["done", "interrupted", "to do", "waiting"]
    starts_from: str  # "base minilm", "stage domain"
    task: str
    adapt: str
    data: str
    rows: Mapping[str, int]  # split -> rows
    folder: Path
    #: What training will take at most, in MiB; None: done already, or not known.
    memory_mb: float | None = None
    #: What its frozen part says of the rows, which is computed once and kept on the disk, in MB; None: nothing is, done
    #: already, or not known.
    cache_mb: float | None = None
    #: split -> ``rows`` of which only the first ``length`` tokens are read, ``of`` how many that were looked at, and
    #: the ``longest``; only splits that have such rows.
    cut: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class PlannedVariant:
    """One variant of a comparison, with a step for each seed; ``done`` of them are already in the store.

    Without ``steps`` it waits: stages ``waits_for`` must be done before it can be planned.
    """

    name: str
    stage: str
    steps: tuple[str, ...]
    done: int
    waits_for: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The plan that ``dianji check`` prints. ``warnings`` holds leakage, conflicts and the like, one line each."""

    recipe: str
    digest: str
    stages: tuple[PlannedStage, ...]
    warnings: tuple[str, ...] = ()
    #: The recipe with every default written out.
    filled: Mapping[str, Any] = field(default_factory=dict)
    #: The variants of a comparison.
    variants: tuple[PlannedVariant, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "recipe": self.recipe,
            "digest": self.digest,
            "stages": [{**asdict(stage), "folder": str(stage.folder)} for stage in self.stages],
            "warnings": list(self.warnings),
            "filled": dict(self.filled),
            "variants": [
                {**asdict(variant), "steps": list(variant.steps), "waits_for": list(variant.waits_for)}
                for variant in self.variants
            ],
        }


@dataclass(frozen=True)
class StageResult:
    """The result of one stage."""

    name: str
    digest: str
    artefact: Path
    reused: bool
    metrics: Metrics
    cost: Cost
    primary: str
    #: baseline -> split -> metric -> estimate
    baselines: Mapping[str, Metrics] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    #: Where the time went, of a stage that was profiled: ``steps``, ``seconds`` by phase, ``trace``.
    profile: Mapping[str, Any] | None = None
    #: Of the inputs that the model reads.
    modality: str = "text"

    def to_json(self) -> dict[str, Any]:
        """Plain values; ``profile`` only where there is one."""
        document = {
            "name": self.name,
            "digest": self.digest,
            "artefact": str(self.artefact),
            "reused": self.reused,
            "metrics": metrics_to_json(self.metrics),
            "cost": asdict(self.cost),
            "primary": self.primary,
            "baselines": {name: metrics_to_json(of) for name, of in self.baselines.items()},
            "warnings": list(self.warnings),
        }
        return document if self.profile is None else {**document, "profile": dict(self.profile)}


@dataclass(frozen=True)
class RunResult:
    """The result of ``dianji run``."""

    recipe: str
    digest: str
    stages: tuple[StageResult, ...]
    #: Where the recipe compares something and all of it was run.
    comparison: Comparison | None = None

    def to_json(self) -> dict[str, Any]:
        """The document that ``dianji run --json`` prints."""
        document = {"recipe": self.recipe, "digest": self.digest, "stages": [stage.to_json() for stage in self.stages]}
        return document if self.comparison is None else {**document, "comparison": self.comparison.to_json()}


@dataclass(frozen=True)
class Evaluation:
    """The result of ``dianji evaluate``: the scores on one set of rows."""

    artefact: Path
    data: str
    rows: int
    metrics: Mapping[str, Estimate]
    primary: str

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "artefact": str(self.artefact),
            "data": self.data,
            "rows": self.rows,
            "metrics": {name: value.to_json() for name, value in self.metrics.items()},
            "primary": self.primary,
        }


@dataclass(frozen=True)
class Reported:
    """The result of ``dianji report``: the path of the page, and its content."""

    report: Path
    files: tuple[Path, ...]  # the page, and pictures beside it
    language: str
    chapters: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "report": str(self.report),
            "files": [str(path) for path in self.files],
            "language": self.language,
            "chapters": list(self.chapters),
        }
