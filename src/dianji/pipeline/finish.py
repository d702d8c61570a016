"""Leave the artefact of a stage that has learnt: merge, measure, save, and have a fresh process agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from dianji.artefact.learnt import Evidence, Learnt
from dianji.artefact.manifest import PARTS, Manifest, versions
from dianji.artefact.probe import Probe
from dianji.artefact.record import Record
from dianji.artefact.save import draw_probe, keep_apart, merge, save, save_parts, settle
from dianji.bases.base import Card
from dianji.data.content import examine
from dianji.data.report import with_token_lengths
from dianji.data.unknown import with_unknown_tokens
from dianji.engine.evaluation import Evaluator
from dianji.engine.job import Trained
from dianji.pipeline.encoded import truncation_of
from dianji.pipeline.identity import data_of, parent_of, place_of_base
from dianji.pipeline.measure import Measured, Ruler, held_out, measure_baselines, measure_model
from dianji.pipeline.plan import Work
from dianji.pipeline.quality import quality_of
from dianji.pipeline.ready import Ready
from dianji.pipeline.unknown import unknown_tokens
from dianji.registry import record_of
from dianji.reporting import Reporter
from dianji.results import Cost
from dianji.spec.sections import Recipe
from dianji.store.atomic import new_folder
from dianji.tasks.base import Task


def finish(work: Work, filled: Recipe, ready: Ready, trained: Trained, cost: Cost, reporter: Reporter) -> Measured:
    """Write the artefact, and measure the model on the way.

    Raises:
        ArtefactError: a fresh process does not reproduce the probe.
    """
    adapter = work.step.folder / "adapter"
    settle(ready.learnt)
    keep_apart(ready.learnt, adapter, place_of_base(work, ready.learnt.base))
    probes = {part: _probe(work, part, learnt) for part, learnt in ready.learnt.parts().items()}
    merge(ready.learnt)
    common = _Common(work, filled, trained, cost, adapter, reporter)
    if work.stage.parts is None:
        return common.part("", ready.learnt, ready.examples, probes[""], work.step.artefact)
    with new_folder(work.step.artefact) as folder:
        measured = {}
        for part, learnt in ready.learnt.released().items():
            examples = {split: ready.learnt.task.divided(of)[part] for split, of in _with(ready, part).items()}
            measured[part] = common.part(part, learnt, examples, probes[part], folder / PARTS / part)
        together = Measured.together(measured)
        save_parts(folder, common.manifest(ready.learnt, None), common.documents(together), adapter)
    return together


@dataclass(frozen=True)
class _Common:
    """Values that all parts of a stage share."""

    work: Work
    filled: Recipe
    trained: Trained
    cost: Cost
    adapter: Path
    reporter: Reporter

    def part(self, part: str, learnt: Learnt, examples: Mapping[str, pa.Table], probe: Probe, target: Path) -> Measured:
        """Measure and save one part."""
        work, of = self.work, self.work.parts[part]
        tables = of.data.splits
        learnt = self._calibrated(learnt, examples)
        ruler = Ruler(learnt.task, work.stage.evaluate, work.seed)
        evaluator = Evaluator(learnt.task, learnt.model.model, learnt.base, work.seed)
        measured = measure_model(ruler, evaluator, held_out(tables, examples), self.reporter)
        measured = replace(measured, baselines=measure_baselines(ruler, learnt.base, tables, self.reporter))
        lengths = {split: table["length"].to_numpy() for split, table in examples.items()}
        report = {**with_token_lengths(of.data.report, lengths), "cut": truncation_of(learnt.task, examples)}
        report = with_unknown_tokens(report, unknown_tokens(learnt.task, learnt.base, tables, examples))
        documents = {**self.documents(measured), "data": report, "quality": quality_of(work, part)}
        records = {
            split: Record(outcome, examine(tables[split], learnt.task.columns).order)
            for split, outcome in measured.outcomes.items()
        }
        evidence = Evidence(documents, records, work.step.folder / "events.jsonl")
        manifest = self.manifest(learnt, part)
        difference = save(target, learnt, probe=probe, adapter=self.adapter, manifest=manifest, evidence=evidence)
        name = f"{work.name}: {part}" if part else work.name
        self.reporter.say(f"{name}: saved; a fresh process reproduces its probe (largest difference {difference:.1e})")
        return measured

    def _calibrated(self, learnt: Learnt, examples: Mapping[str, pa.Table]) -> Learnt:
        """The task with what it chooses on validation rows."""
        if "validation" not in examples or type(learnt.task).calibrated is Task.calibrated:
            return learnt
        evaluator = Evaluator(learnt.task, learnt.model.model, learnt.base, self.work.seed)
        outcome = evaluator.outcome(examples["validation"], learnt.task.measured_for)
        return replace(learnt, task=learnt.task.calibrated(outcome))

    def documents(self, measured: Measured) -> dict[str, Any]:
        """``evidence/<name>.json`` that every part has alike, and its metrics."""
        return {
            "metrics": measured.to_json(),
            "cost": asdict(self.cost),
            "spec": self.work.spec,
            "lineage": self.work.ancestors(),
            "recipe": self.filled.to_json(),
        }

    def manifest(self, learnt: Learnt, part: str | None) -> Manifest:
        """Of one part (``""``: the only one), or of the folder that holds all."""
        work = self.work
        return Manifest(
            recipe=work.recipe,
            stage=work.name,
            digest=work.step.digest,
            seed=work.seed,
            task=record_of(learnt.task),
            adaptation=record_of(work.adaptation),
            techniques=[record_of(technique) for technique in work.techniques],
            base=_plain(work.card),
            parents=[parent_of(work)],
            data=data_of(work, part),
            training=self.trained.to_json(),
            versions=versions(),
            columns={} if part is None else dict(work.parts[part].columns),
            part=part or "",
            parts=list(work.parts) if part is None else [],
        )


def _plain(card: Card) -> dict[str, Any]:
    """As JSON gives it back."""
    lists = {"languages": list(card.languages), "labels": list(card.labels)}
    return {**asdict(card), **lists, "prompts": [list(prompt) for prompt in card.prompts]}


def _with(ready: Ready, part: str) -> Mapping[str, pa.Table]:
    """The splits in which a part has examples."""
    return {split: of for split, of in ready.examples.items() if part in ready.learnt.task.divided(of)}


def _probe(work: Work, part: str, learnt: Learnt) -> Probe:
    tables = work.parts[part].data.splits
    rows = None if work.stage.probe == "synthetic" else tables.get("validation", tables["train"])
    return draw_probe(learnt, rows, work.seed)
