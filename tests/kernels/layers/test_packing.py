"""Batches without padding: packed rows say what each example says by itself, and learn what padded ones learn."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from dianji.engine import dropout
from dianji.kernels.layers import noise, packing, patching
from dianji.kernels.layers.fast import FastLayers, find_fast_layers, likely_fast_layers
from dianji.kernels.native import encoder, tiles
from dianji.kernels.native.encoder import Drop, Heads
from tests.kernels.layers.conftest import counted_bits
from tests.kernels.layers.test_layers import TEXT, batch_of, make, states_and_gradients

pytestmark = pytest.mark.kernels
CPU = torch.device("cpu")
RAGGED = (9, 1, 33, 7, 16)


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows are packed in fp32 too; notes how many are."""
    seen: list[int] = []

    def packs(rows: Tensor, packed: packing.Packed) -> bool:
        seen.append(len(packed.places))
        return True

    monkeypatch.setattr(packing, "packs", packs)
    monkeypatch.setattr(FastLayers, "packs", property(lambda fast: fast.by.packs))
    return seen


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("model_type", [*TEXT, "distilbert"])
def test_packed_rows_learn_what_padded_rows_learn(
    model_type: str, training: bool, always: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With dropout too: packed rows get the masks of their padded places."""
    for module in (dropout, noise):
        monkeypatch.setattr(module, "bits", counted_bits)
    model, batch = make(model_type).train(training), batch_of(model_type, RAGGED)
    plain, plain_grads = states_and_gradients(model, batch, None)
    quick, grads = states_and_gradients(model, batch, find_fast_layers(model, CPU))
    assert always == [sum(RAGGED)]
    torch.testing.assert_close(quick, plain, rtol=1e-4, atol=1e-5)
    assert grads.keys() == plain_grads.keys()
    for name, wanted in plain_grads.items():
        torch.testing.assert_close(grads[name], wanted, rtol=2e-3, atol=2e-6, msg=name)


def test_packed_rows_say_what_each_example_says_by_itself(always: list[int]) -> None:
    model, batch = make("bert").eval(), batch_of("bert", RAGGED)
    with torch.no_grad(), find_fast_layers(model, CPU).on():
        together = model(**batch).last_hidden_state
    for number, length in enumerate(RAGGED):
        with torch.no_grad():
            alone = model(batch["input_ids"][number : number + 1, :length]).last_hidden_state[0]
        torch.testing.assert_close(together[number, :length], alone, rtol=1e-4, atol=1e-5)
        assert not together[number, length:].any()


@pytest.mark.skipif(not tiles.available(), reason="this processor has no AMX")
def test_in_bf16_an_example_says_the_same_to_the_last_bit_whatever_it_is_packed_with() -> None:
    model, batch = make("bert", intermediate_size=64).eval(), batch_of("bert", RAGGED)
    fast = find_fast_layers(model, CPU)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16), fast.on():
        together = model(**batch).last_hidden_state
        fewer = model(**{name: rows[1:4] for name, rows in batch.items()}).last_hidden_state
    for number in range(1, 4):
        assert torch.equal(together[number, : RAGGED[number]], fewer[number - 1, : RAGGED[number]])


@pytest.mark.skipif(not tiles.available(), reason="this processor has no AMX")
@pytest.mark.parametrize("heads", [1, 2, 4])
def test_heads_that_compiled_attention_does_not_take_are_not_packed(heads: int) -> None:
    """Of 32 numbers, four heads have eight each: less than a vector."""
    model = make("bert", intermediate_size=64, num_attention_heads=heads).eval()
    batch, fast = batch_of("bert", RAGGED), find_fast_layers(model, CPU)
    assert fast.packs == likely_fast_layers(model).packed == (heads < 4)
    real = batch["attention_mask"].bool()
    with torch.no_grad():
        exact = model(**batch).last_hidden_state[real]
        with torch.autocast("cpu", torch.bfloat16), fast.on():
            rough = model(**batch).last_hidden_state[real]
    assert (rough - exact).abs().mean() < 0.02 * exact.abs().mean()


def test_who_looks_between_layers_sees_padded_states(always: list[int]) -> None:
    model, batch = make("bert").eval(), batch_of("bert", RAGGED)
    shapes: list[torch.Size] = []
    fast = find_fast_layers(model, CPU)
    model.encoder.layer[0].register_forward_hook(lambda *of: shapes.append(of[2].shape))
    with torch.no_grad(), fast.on():
        found = model(**batch, output_hidden_states=True).hidden_states
    assert {tuple(states.shape) for states in found} == {(len(RAGGED), max(RAGGED), 32)}
    assert {tuple(shape) for shape in shapes} == {(len(RAGGED), max(RAGGED), 32)}


def test_who_changes_states_between_layers_is_heard_by_the_products() -> None:
    """In bf16 a layer hands over what products read as well, which is then of no more use."""
    model, batch = make("bert").eval(), batch_of("bert", RAGGED)
    fast = find_fast_layers(model, CPU)
    model.encoder.layer[0].register_forward_hook(lambda *of: of[2].mul_(-3))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        plain = model(**batch).last_hidden_state
        with fast.on():
            quick = model(**batch).last_hidden_state
    real = batch["attention_mask"].bool()
    assert (quick[real] - plain[real]).abs().mean() < 0.02 * plain[real].abs().mean()


def test_what_stands_between_layers_is_refused(always: list[int]) -> None:
    model, batch = make("bert").eval(), batch_of("bert", RAGGED)
    first, second = model.encoder.layer
    fast = find_fast_layers(model, CPU)

    class Between(nn.Module):
        def forward(self, states: Tensor, *args: object, **options: object) -> Tensor:
            found: Tensor = second(states * 2, *args, **options)
            return found

    model.encoder.layer[1] = Between()
    with torch.no_grad(), fast.on(), pytest.raises(RuntimeError, match="use fast_layers: off"):
        model(**batch)
    del first


def test_a_pass_that_broke_off_is_forgotten(always: list[int]) -> None:
    model, batch = make("bert").eval(), batch_of("bert", RAGGED)
    fast = find_fast_layers(model, CPU)
    layer = model.encoder.layer[1]

    class Broken(patching.Passing):
        def __call__(self, *_: object, **options: object) -> Tensor:
            raise ZeroDivisionError

    with torch.no_grad(), fast.on():
        wanted = model(**batch).last_hidden_state
        formerly = patching._FORMS.of
        patching._FORMS.of = {**formerly, layer: Broken()}
        with pytest.raises(ZeroDivisionError):
            model(**batch)
        patching._FORMS.of = formerly
        assert torch.equal(model(**batch).last_hidden_state, wanted)


@pytest.mark.parametrize(
    ("mask", "packed"),
    [
        ([[1, 1, 0], [1, 1, 1]], [0, 2, 5]),
        ([[0, 1, 1], [1, 1, 1]], None),
        ([[1, 0, 1], [1, 1, 1]], None),
        ([[0, 0, 0], [1, 1, 1]], None),
    ],
)
def test_only_padding_on_the_right_is_packed(mask: list[list[int]], packed: list[int] | None) -> None:
    seen = torch.tensor(mask, dtype=torch.bool)[:, None, None, :].expand(2, 1, 3, 3)
    least = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)
    for form in (seen, seen.contiguous(), least):
        found = packing.packing(form, 2, 3)
        assert (None if found is None else found.starts.tolist()) == packed
    causal = seen & torch.ones(3, 3).tril().bool()
    assert packing.packing(causal, 2, 3) is None
    assert packing.packing(least + 0.5, 2, 3) is None


class TestKernel:
    def test_of_equal_lengths_it_is_the_same_to_the_last_bit(self) -> None:
        joined = torch.randn(4 * 6, 3 * 2 * 16)
        starts = torch.arange(0, 25, 6)
        plain = Heads(4, 6, 2, 16, 0.25, None, Drop(7, 20000, 1.4))
        mixed, known = encoder.attend(joined, plain)
        again, known_again = encoder.attend(joined, plain._replace(starts=starts))
        assert torch.equal(mixed, again)
        back = encoder.attend_backward(torch.ones_like(mixed), joined, known, plain)
        back_again = encoder.attend_backward(torch.ones_like(mixed), joined, known_again, plain._replace(starts=starts))
        assert all(map(torch.equal, back, back_again))

    def test_masks_of_examples_differ_and_the_gradient_is_that_of_the_same_masks(self) -> None:
        lengths = torch.tensor([5, 5, 17, 3])
        starts = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
        joined = torch.randn(30, 3 * 2 * 16)
        joined[5:10] = joined[:5]
        heads = Heads(4, 17, 2, 16, 0.25, None, Drop(3, 30000, 65536 / 35536), starts)
        mixed, known = encoder.attend(joined, heads)
        assert not torch.equal(mixed[:5], mixed[5:10])
        grad, way = torch.randn_like(mixed), torch.randn_like(joined)
        slope = (encoder.attend_backward(grad, joined, known, heads)[0] * way).sum()
        near = [encoder.attend(joined + step * way, heads)[0].double() for step in (-1e-3, 1e-3)]
        torch.testing.assert_close(float(slope), float(((near[1] - near[0]) * grad).sum() / 2e-3), rtol=2e-3, atol=2e-3)
