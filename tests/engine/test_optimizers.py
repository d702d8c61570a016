import pytest
import torch

from dianji.engine.optimizers import Adadelta, Adafactor, Adagrad, Adam, AdamW, Sgd
from dianji.errors import RecipeError
from dianji.registry import REGISTRY

UNFUSED = {
    AdamW(betas=(0.8, 0.95), eps=1e-6): lambda g: torch.optim.AdamW(g, betas=(0.8, 0.95), eps=1e-6, foreach=False),
    Adam(betas=(0.8, 0.95)): lambda g: torch.optim.Adam(g, betas=(0.8, 0.95), foreach=False),
    Sgd(): lambda g: torch.optim.SGD(g, momentum=0.9, foreach=False),
    Sgd(0.5, nesterov=True): lambda g: torch.optim.SGD(g, momentum=0.5, nesterov=True, foreach=False),
    Sgd(0.0, nesterov=True): lambda g: torch.optim.SGD(g, foreach=False),
    Adagrad(0.1): lambda g: torch.optim.Adagrad(g, initial_accumulator_value=0.1, foreach=False),
    Adafactor(clip_threshold=2.0): lambda g: torch.optim.Adafactor(g, d=2.0, foreach=False),
    Adadelta(rho=0.8): lambda g: torch.optim.Adadelta(g, rho=0.8, foreach=False),
}


def groups():
    """Two groups as the engine makes them: a decaying matrix, a bias at a rate of its own."""
    torch.manual_seed(0)
    matrix, bias = (torch.nn.Parameter(torch.randn(shape)) for shape in ((5, 3), (5,)))
    return [
        {"params": [matrix], "lr": 0.02, "weight_decay": 0.1},
        {"params": [bias], "lr": 0.1, "weight_decay": 0.0},
    ]


def trained(build):
    made = groups()
    optimizer = build(made)
    weights = [group["params"][0] for group in made]
    torch.manual_seed(1)
    for _ in range(10):
        for weight in weights:
            weight.grad = torch.randn_like(weight)
        optimizer.step()
    return optimizer, weights


@pytest.mark.parametrize("component", UNFUSED, ids=str)
def test_equals_torch_without_fusion(component):
    _, found = trained(component.build)
    _, expected = trained(UNFUSED[component])
    for weight, other in zip(found, expected, strict=True):
        torch.testing.assert_close(weight, other, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("component", [Adam(), Sgd(), Adagrad()], ids=str)
def test_is_fused_on_the_cpu(component):
    optimizer, _ = trained(component.build)
    assert all(group["fused"] is True for group in optimizer.param_groups)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("adamw", {"betas": [0.9, 1.0]}),
        ("adamw", {"eps": 0.0}),
        ("sgd", {"momentum": -0.1}),
        ("adafactor", {"clip_threshold": 0.5}),
        ("adadelta", {"rho": "0.9"}),
    ],
)
def test_impossible_arguments_are_the_recipes_fault(name, arguments):
    with pytest.raises(RecipeError, match=f"optimizer '{name}': {next(iter(arguments))}"):
        REGISTRY.build("optimizer", name, arguments)
