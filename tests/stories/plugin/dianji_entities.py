"""A plug-in: a model that no Auto class knows. Vectors of entities, the table of their names, and labels for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pyarrow as pa
import torch
from huggingface_hub.dataclasses import strict
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from dianji.bases.base import Base, Card
from dianji.data.columns import Column
from dianji.data.findings import Findings
from dianji.registry import component
from dianji.tasks.answers import OneLabel
from dianji.tasks.base import Batch, Purpose, TaskModel
from dianji.tasks.composed import Classification

UNKNOWN = 0


@strict
class EntityConfig(PretrainedConfig):
    model_type = "entity-vectors"
    modality = "entity"

    entities: int = 1
    hidden_size: int = 8


class EntityModel(PreTrainedModel):
    config_class = EntityConfig
    base_model_prefix = "vectors"

    def __init__(self, config: EntityConfig) -> None:
        super().__init__(config)
        self.table = nn.Embedding(config.entities, config.hidden_size)
        self.post_init()

    def forward(self, entity: Tensor) -> Tensor:
        found: Tensor = self.table(entity)
        return found


class EntityForClassification(PreTrainedModel):
    config_class = EntityConfig
    base_model_prefix = "vectors"

    def __init__(self, config: EntityConfig) -> None:
        super().__init__(config)
        self.vectors = EntityModel(config)
        self.classifier = nn.Linear(config.hidden_size, len(config.id2label or ()))
        self.post_init()

    def forward(self, entity: Tensor, labels: Tensor | None = None) -> SequenceClassifierOutput:
        logits = self.classifier(self.vectors(entity))
        loss = None if labels is None else functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


AutoConfig.register("entity-vectors", EntityConfig)


@component("processor", "entity-table")
@dataclass(frozen=True)
class EntityTable:
    """Names of entities to rows of a table."""

    noun: ClassVar[str] = "entity table"
    modality: ClassVar[str] = "entity"
    files: ClassVar[tuple[str, ...]] = ("entities.json",)
    required: ClassVar[tuple[str, ...]] = ("entities.json",)

    def open(self, folder: Path) -> dict[str, int]:
        names = json.loads((folder / "entities.json").read_text())
        return {name: number for number, name in enumerate(names, 1)}

    def save(self, processor: dict[str, int], folder: Path) -> None:
        (folder / "entities.json").write_text(json.dumps(list(processor)))


@component("architecture", "entity-vectors")
@dataclass(frozen=True)
class EntityVectors:
    """One vector per entity of the training split, and one for all others."""

    width: Annotated[int, Field(gt=0)] = 8

    modality: ClassVar[str] = "entity"
    classifies: ClassVar[bool] = True

    def card(self) -> Card:
        return Card(
            "new entity-vectors", "entity", "entity-vectors", self.width, pretrained=False, processor="entity-table"
        )

    def prepare(self, table: pa.Table, seed: int) -> Base:
        names = dict.fromkeys(table["id"].to_pylist())
        numbers = {name: number for number, name in enumerate(names, 1)}
        return Base(self.card(), EntityConfig(entities=len(numbers) + 1, hidden_size=self.width), numbers)


@dataclass(frozen=True)
class Entities:
    """A column ``id``."""

    random: ClassVar[bool] = False
    baselines: ClassVar[tuple[str, ...]] = ()

    @property
    def columns(self) -> Mapping[str, Column]:
        return {"id": Column("id")}

    def check(self, table: pa.Table, findings: Findings) -> None:
        pass

    def corpus(self, table: pa.Table) -> pa.Table:
        return table

    def learn(self, table: pa.Table) -> Mapping[str, Any]:
        return {}

    def model(self, base: Base, names: dict[str, Any]) -> TaskModel:
        return TaskModel(base.load(EntityForClassification, **names), ("classifier",))

    def encode(self, table: pa.Table, base: Base, targets: Mapping[str, pa.Array]) -> pa.Table:
        numbers = [base.processor.get(name, UNKNOWN) for name in table["id"].to_pylist()]
        count = len(numbers)
        columns = {"row": pa.array(range(count), pa.int64()), "length": pa.array([1] * count, pa.int32())}
        return pa.table({**columns, "entity": pa.array(numbers, pa.int64()), **targets})

    def collate(self, examples: pa.Table, base: Base, rng: np.random.Generator, *, purpose: Purpose) -> Batch:
        return {"entity": torch.tensor(examples["entity"].to_pylist())}

    def baseline_inputs(self, table: pa.Table) -> list[str]:
        names: list[str] = table["id"].to_pylist()
        return names


@component("task", "entity-classification")
@dataclass(frozen=True)
class EntityClassification(Classification):
    """One label per entity."""

    labels: tuple[str, ...] = ()

    modality: ClassVar[str] = "entity"

    @property
    def reader(self) -> Entities:
        return Entities()

    @property
    def answer(self) -> OneLabel:
        return OneLabel(self.labels)
