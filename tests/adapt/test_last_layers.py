import pytest

from dianji.adapt.frozen import Frozen
from dianji.adapt.last_layers import LastLayers
from dianji.errors import CapabilityError
from dianji.tasks.base import TaskModel
from dianji.testing.toys import MODELS, bert


def learning(toy):
    return {name for name, parameter in toy.model.model.named_parameters() if parameter.requires_grad}


def test_only_the_end_of_the_model_learns():
    toy = bert()
    LastLayers().attach(toy.model)
    assert {name.split(".")[1] for name in learning(toy)} == {"encoder", "pooler", "weight", "bias"}
    assert {name.split(".")[3] for name in learning(toy) if "encoder" in name} == {"1"}


@pytest.mark.parametrize("name", MODELS)
def test_all_layers_leave_out_what_comes_before_them(name):
    toy = MODELS[name]()
    LastLayers(layers=2).attach(toy.model)
    frozen = {n for n, _ in toy.model.model.named_parameters()} - learning(toy)
    assert frozen
    assert all(set(n.split(".")) & {"embeddings", "embedder", "wte", "wpe"} for n in frozen)


def test_more_layers_than_there_are():
    with pytest.raises(CapabilityError, match=r"3 layers are asked for, but 'bert.encoder.layer' .* has 2"):
        LastLayers(layers=3).attach(bert().model)


def test_a_frozen_model_without_a_head_would_learn_nothing():
    with pytest.raises(CapabilityError, match="nothing would learn"):
        Frozen().attach(TaskModel(bert().model.model, ()))
