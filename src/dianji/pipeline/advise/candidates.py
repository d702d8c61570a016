"""Lists the candidates for inspected data: each base at hand with each adaptation, and new networks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dianji.artefact.manifest import Manifest
from dianji.bases.at_hand import Found, at_hand
from dianji.bases.base import Card, Modality
from dianji.bases.resolve import architectures, resolve
from dianji.data.inspect import Inspection
from dianji.errors import ArtefactError, BaseError
from dianji.pipeline import sketch
from dianji.registry import REGISTRY
from dianji.spec.sections import NewBase
from dianji.store.steps import Store

#: Ways to tune a pre-trained base; a new network has nothing to keep, so that all of it learns.
ADAPTATIONS: Sequence[str | dict[str, Any]] = ("full", {"last-layers": {"layers": 2}}, {"lora": {"rank": 8}}, "frozen")
#: Objectives that leave a base with knowledge of a language.
SELF_SUPERVISED = ("masked-language", "causal-language")
#: Of a store's own pre-trained models, so many of the newest are looked at.
MOST_OWN = 3
LEARN, PREPARE = "classify", "domain"
EPOCHS_NEW, EPOCHS_KNOWN = 10, 3  # of a masked-language stage


@dataclass(frozen=True)
class Candidate:
    """A base with a way of tuning it, as stages of a recipe."""

    name: str
    base: str | Mapping[str, Any]
    card: Card
    adapt: str | Mapping[str, Any]
    stages: Mapping[str, Any]
    #: Learns the language of the texts before their labels.
    prepares: bool = False

    def recipe(self, name: str, data: Mapping[str, Any]) -> dict[str, Any]:
        """The whole recipe, as it is written in YAML."""
        return {"name": name, "seed": 0, "base": self.base, "data": {"rows": data}, "stages": dict(self.stages)}


@dataclass(frozen=True)
class Field:
    """The candidates, and the bases that were found but cannot be used."""

    candidates: tuple[Candidate, ...]
    unusable: Mapping[str, str] = field(default_factory=dict)


def candidates(seen: Inspection, store: Store, given: Sequence[str] = ()) -> Field:
    """All candidates, not ranked.

    Args:
        seen: the data.
        store: its own pre-trained models are candidates too.
        given: only these bases (registered names, folders, Hub ids), and no new networks.

    Raises:
        BaseError: a given base is unknown or damaged, or does not read such data.
        DataError: there is nothing to learn from.
    """
    sketch.require_learnable(seen)
    modality = sketch.modality(seen)
    task = sketch.supervised_task(seen)
    found = [Found(spec, replace(resolve(spec, modality).card(), name=spec)) for spec in given] or [
        *at_hand(modality),
        *_own(store, modality),
    ]
    for base in found:
        if given and base.card is not None and not base.card.offers(modality):
            raise BaseError(f"base '{base.spec}' reads {base.card.modality}, and {seen.path} holds {modality}s.")
    made = [candidate for base in found if base.card is not None for candidate in _tuned(base.spec, base.card, task)]
    if not given:
        made += _new(seen, task)
    return Field(tuple(made), {base.spec: base.obstacle for base in found if base.card is None})


def _tuned(spec: str, card: Card, task: str | dict[str, Any] | None) -> Iterator[Candidate]:
    if task is None:
        stages = {PREPARE: {"task": "masked-language", "data": "rows", "train": {"epochs": EPOCHS_KNOWN}}}
        yield Candidate(f"{card.name}, full", spec, card, "full", stages)
        return
    for adapt in ADAPTATIONS:
        way = adapt if isinstance(adapt, str) else next(iter(adapt))
        stage = {"task": task, "data": "rows", **({} if adapt == "full" else {"adapt": adapt})}
        yield Candidate(f"{card.name}, {way}", spec, card, adapt, {LEARN: stage})


def _new(seen: Inspection, task: str | dict[str, Any] | None) -> Iterator[Candidate]:
    modality = sketch.modality(seen)
    writes = sketch.writes(seen)  # by an encoder-decoder, which brings a tokenizer of its own kind
    arguments = sketch.new_reader(seen) if modality == "text" and not writes else {}
    prepare = {"task": "masked-language", "data": "rows", "train": {"epochs": EPOCHS_NEW}}
    for architecture in architectures(modality):
        if REGISTRY.get("architecture", architecture).classifies == writes:
            continue
        base = {"new": architecture, **arguments}
        card = resolve(NewBase.model_validate(base), modality).card()
        name = f"new {architecture}"
        if task is not None:
            yield Candidate(name, base, card, "full", {LEARN: {"task": task, "data": "rows"}})
        if modality == "text" and architecture == "transformer":
            stages = {PREPARE: prepare, **({LEARN: {"task": task, "data": "rows"}} if task else {})}
            yield Candidate(f"{name}, masked-language first" if task else name, base, card, "full", stages, bool(task))


def _own(store: Store, modality: Modality) -> Iterator[Found]:
    """The models that this store has pre-trained, the newest first."""
    done = [step for step in store.steps() if step.state == "done" and (step.artefact / "dianji.json").is_file()]
    kept = 0
    for step in sorted(done, key=lambda step: (step.folder / "DONE").stat().st_mtime, reverse=True):
        try:
            manifest = Manifest.read(step.artefact)
        except ArtefactError:
            continue  # `dianji verify` reports its faults
        if str(manifest.task["name"]).partition("@")[0] not in SELF_SUPERVISED:
            continue
        card = resolve(str(step.artefact), modality).card()
        if not card.offers(modality):
            continue
        yield Found(str(step.artefact), replace(card, name=f"{manifest.recipe}/{manifest.stage} {manifest.digest[:8]}"))
        kept += 1
        if kept == MOST_OWN:
            return
