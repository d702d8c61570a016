"""Computing activations again changes nothing but memory and time."""

from __future__ import annotations

from typing import Any, cast

import pyarrow as pa
import pytest
import torch

from dianji.adapt.frozen import Frozen
from dianji.adapt.full import Full
from dianji.adapt.last_layers import LastLayers
from dianji.adapt.lora import Lora
from dianji.bases.base import Base
from dianji.bases.scratch import ScratchBase
from dianji.engine.job import Job
from dianji.engine.loop import Training
from dianji.engine.recomputing import recompute_activations, require_support
from dianji.engine.runtime import make_runtime
from dianji.engine.seeding import seed_everything
from dianji.errors import CapabilityError
from dianji.registry import REGISTRY
from dianji.reporting import Silent
from dianji.spec.sections import Train
from dianji.tasks.base import Task
from dianji.tasks.image_classification import ImageClassification
from dianji.tasks.masked_language import MaskedLanguage
from dianji.tasks.text_classification import TextClassification
from dianji.tasks.text_to_text import TextToText
from dianji.testing import toys


def trained(
    folder: Any, base: Base, task: Any, adaptation: Any, table: pa.Table, *, again: bool
) -> dict[str, torch.Tensor]:
    """The weights after a few steps with dropout."""
    task = task.fit(table)
    seed_everything(0)
    model = task.model(base)
    adaptation.attach(model)
    train = {
        "batch_size": 8,
        "epochs": 2.0,
        "learning_rate": 1e-2,
        "gradient_checkpointing": again,
        "fast_layers": "off",
    }
    job = Job("toy", task, base, model, adaptation, (), Train.model_validate(train), task.encode(table, base), None, 3)
    folder.mkdir()
    Training(job, make_runtime("fp32"), folder, Silent()).run()
    return cast(dict[str, torch.Tensor], model.model.state_dict())


def new(name: str, table: pa.Table) -> Base:
    """A small new base of that architecture, over the table's words or images."""
    made = REGISTRY.build("architecture", name, {"layers": 2, "width": 16} | ({"heads": 2} if name == "vit" else {}))
    return ScratchBase(made, seed=0).prepare(table)


@pytest.mark.parametrize(
    "adaptation", [Full(), LastLayers(1), Lora(rank=2), Frozen()], ids=lambda part: type(part).__name__
)
def test_the_same_bytes_are_learnt(tmp_path, adaptation):
    one, other = (
        trained(
            tmp_path / str(again), toys.text_base(), TextClassification(), adaptation, toys.text_table(), again=again
        )
        for again in (False, True)
    )
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


#: A task that each registered architecture can learn and its rows; None: its layers cannot be computed again.
LEARNT: dict[str, tuple[Task, Any] | None] = {
    "cnn": None,
    "lstm": (MaskedLanguage(length=16), toys.text_table),
    "resnet": None,
    "seq2seq": (TextToText(), toys.pairs_table),
    "text-cnn": (MaskedLanguage(length=16), toys.text_table),
    "transformer": (MaskedLanguage(length=16), toys.text_table),
    "vit": (ImageClassification(), toys.image_table),
}


@pytest.mark.parametrize("architecture", sorted(REGISTRY.names("architecture")))
def test_by_our_own_architectures_too(tmp_path, architecture):
    learnt = LEARNT[architecture]
    if learnt is None:
        with pytest.raises(CapabilityError, match="Leave it out"):
            require_support(REGISTRY.get("architecture", architecture).model_type)
        return
    task, rows = learnt
    base = new(architecture, rows())
    one, other = (trained(tmp_path / str(again), base, task, Full(), rows(), again=again) for again in (False, True))
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def kept_bytes(*, again: bool) -> int:
    """What autograd holds after the forward pass of a BERT of eight layers, weights left out."""
    toy = toys.bert()
    model = toy.model.model
    layers = cast(torch.nn.ModuleList, model.get_submodule("bert.encoder.layer"))
    layers.extend([layers[0] for _ in range(6)])
    model.train()
    if again:
        recompute_activations(model)
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    held: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            held[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        toy.loss()
    return sum(held.values())


def test_less_is_kept():
    assert kept_bytes(again=True) < 0.4 * kept_bytes(again=False)


def test_frozen_layers_get_no_gradient_to_pass_on():
    toy = toys.pooled_bert()
    Frozen().attach(toy.model)
    toy.model.model.train()
    recompute_activations(toy.model.model)
    hidden = []
    toy.model.model.get_submodule("backbone").register_forward_hook(lambda *call: hidden.append(call[-1][0]))
    toy.loss().backward()
    assert not hidden[0].requires_grad


@pytest.mark.parametrize(
    "architecture", ["bert", "distilbert", "roberta", "electra", "vit", "gpt2", "dianji-lstm", "dianji-cnn"]
)
def test_what_can(architecture):
    require_support(architecture)


@pytest.mark.parametrize("architecture", ["resnet", "dianji-image-cnn"])
def test_what_cannot_is_known_before_weights_are_loaded(architecture):
    with pytest.raises(
        CapabilityError, match=rf"{architecture} has no layers that can be computed again.* Leave it out"
    ):
        require_support(architecture)


def test_an_unknown_architecture_is_left_to_the_start():
    require_support("of-a-plug-in")


@pytest.mark.parametrize("make", [lambda: toys.resnet().model.model, lambda: torch.nn.Linear(2, 2)])
def test_a_model_that_cannot_is_refused(make):
    with pytest.raises(CapabilityError, match="Leave it out"):
        recompute_activations(make())
