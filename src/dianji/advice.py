"""The result of ``dianji advise``: frozen values that a skin prints."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from dianji.messages import Message


@dataclass(frozen=True)
class Forecast:
    """The forecast cost of running a candidate, measured on a short part of each of its stages."""

    seconds: float  # of the whole run but for baselines
    #: stage -> seconds of its optimiser steps and of reading frozen states before them, as a run reports them.
    stage_seconds: Mapping[str, float]
    samples_per_second: float  # of the last stage
    peak_memory_mb: float
    steps: int  # of the last stage
    parameters: int
    trained_parameters: int

    @property
    def train_seconds(self) -> float:
        """The sum over all stages."""
        return sum(self.stage_seconds.values())


@dataclass(frozen=True)
class Knowledge:
    """The accuracy of a pre-trained base on the labels before training, beside that of a simple model.

    Both are logistic regressions on the same rows: one on the base's frozen features, one on counted words or pixels.
    """

    features: float
    baseline: float
    rows: int  # held out

    @property
    def helps(self) -> bool:
        """Whether frozen features are not clearly worse than counting: by two standard errors of the difference.

        Where they are about equal, a base that still learns ends above both.
        """
        variance = sum(share * (1 - share) for share in (self.features, self.baseline)) / self.rows
        return self.features >= self.baseline - 2 * math.sqrt(variance)


@dataclass(frozen=True)
class Option:
    """One candidate with its place in the ranking."""

    name: str
    base: str | Mapping[str, Any]
    adapt: str | Mapping[str, Any]
    recipe: Mapping[str, Any]
    #: The reasons for its place in the ranking.
    reasons: tuple[Message, ...]
    forecast: Forecast | None = None
    #: The reason that it cannot be chosen: too slow, too large, or its trial failed.
    obstacle: Message | None = None

    @property
    def fits(self) -> bool:
        """Whether it can be chosen."""
        return self.obstacle is None

    @property
    def preparing(self) -> dict[str, Any]:
        """The stages before the last one."""
        stages: dict[str, Any] = dict(self.recipe["stages"])
        stages.pop(list(stages)[-1])
        return stages

    @property
    def begins_from(self) -> str | Mapping[str, Any]:
        """The start of the last stage: the stage before it, or the base."""
        return next(reversed(self.preparing), self.base)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            "base": self.base,
            "adapt": self.adapt,
            "recipe": dict(self.recipe),
            "reasons": [reason.to_json() for reason in self.reasons],
            "forecast": None if self.forecast is None else asdict(self.forecast),
            "obstacle": None if self.obstacle is None else self.obstacle.to_json(),
            "fits": self.fits,
        }


@dataclass(frozen=True)
class Machine:
    """The machine of the trials, for which the forecasts hold."""

    device: str  # "cpu, bf16, 2 threads"
    memory_gb: float  # that may be used


@dataclass(frozen=True)
class Advice:
    """Candidates, the advised one first; those that cannot be chosen last."""

    data: str
    rows: int
    #: In words: kind, labels, lengths, language.
    facts: Mapping[str, str]
    machine: Machine
    options: tuple[Option, ...]
    rule: Message  # by which they are ranked
    #: base -> its accuracy before training; only bases that could be measured.
    knowledge: Mapping[str, Knowledge] = field(default_factory=dict)
    #: Bases that were found but cannot be used, and other limits of the advice.
    notes: tuple[Message, ...] = ()

    @property
    def chosen(self) -> Option | None:
        """The candidate to run; None where none fits."""
        return next((option for option in self.options if option.fits), None)

    @property
    def comparison(self) -> Mapping[str, Any] | None:
        """The chosen recipe with a comparison of all fitting candidates, for `dianji compare`.

        None where fewer than two fit, or where there are neither labels nor numbers: language models with tokenizers of
        their own have no score in common.
        """
        chosen, fitting = self.chosen, [option for option in self.options if option.fits]
        if chosen is None or len(fitting) < 2 or not {"labels", "numbers"} & set(self.facts):
            return None
        stages = dict(chosen.recipe["stages"])
        learn = list(stages)[-1]
        before = {name: {**stage, "from": of.base} for of in fitting for name, stage in of.preparing.items()}
        stages = {**before, **stages, learn: {**stages[learn], "from": chosen.begins_from}}
        variants = []
        for option in fitting:
            train = option.recipe["stages"][learn].get("train")
            variant = {"stage": learn, "name": option.name, "from": option.begins_from, "adapt": option.adapt}
            variants.append({**variant, **({"train": train} if train else {})})
        return {**chosen.recipe, "stages": stages, "compare": {"variants": variants}}

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "data": self.data,
            "rows": self.rows,
            "facts": dict(self.facts),
            "machine": asdict(self.machine),
            "chosen": None if self.chosen is None else self.chosen.name,
            "options": [option.to_json() for option in self.options],
            "rule": self.rule.to_json(),
            "knowledge": {name: {**asdict(known), "helps": known.helps} for name, known in self.knowledge.items()},
            "notes": [note.to_json() for note in self.notes],
        }
