"""Packing: rows of a block do not see each other, and cost what they cost alone; else it is refused."""

from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis.strategies import integers, lists
from transformers import AutoModelForCausalLM, LlamaConfig

from dianji.bases.base import Base
from dianji.errors import CapabilityError
from dianji.tasks import _packing
from dianji.tasks.instruction_tuning import InstructionTuning
from dianji.testing import families, toys


def llama() -> Base:
    base = toys.decoder_base()
    config = LlamaConfig(
        vocab_size=len(base.processor), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=32, pad_token_id=0, bos_token_id=2, eos_token_id=3,
    )  # fmt: skip
    return Base(base.card, config, base.processor)


BASES = {"gpt2": toys.decoder_base, "llama": llama, "bert": families.bert, "roberta": families.roberta}


def made(base: Base, kind: str = "sdpa"):
    torch.manual_seed(0)
    decoder = {"is_decoder": True} if hasattr(base.config, "is_decoder") else {}
    model = base.load(AutoModelForCausalLM, **decoder)
    model.set_attn_implementation(kind)
    return model.eval()


@given(lengths=lists(integers(1, 12), max_size=12), size=integers(1, 20))
def test_every_row_has_one_place_and_no_block_is_too_long(lengths, size):
    found = _packing.blocks(lengths, size)
    assert sorted(chain.from_iterable(found)) == list(range(len(lengths)))
    assert all(sum(lengths[row] for row in block) <= size or len(block) == 1 for block in found)


def test_columns_are_packed_alike():
    rows = [np.arange(3), np.arange(10, 15), np.arange(20, 22)]
    grids, marks = _packing.packed([rows, [-row for row in rows]], [99, 0], 5)
    assert grids[0].tolist() == [[10, 11, 12, 13, 14], [0, 1, 2, 20, 21]]
    assert np.array_equal(grids[1], -grids[0])
    assert marks[_packing.OWNER].tolist() == [[1] * 5, [0, 0, 0, 2, 2]]
    assert marks[_packing.PLACES].tolist() == [[0, 1, 2, 3, 4], [0, 1, 2, 0, 1]]


@pytest.mark.parametrize("kind", ["sdpa", "eager"])
@pytest.mark.parametrize("name", BASES)
def test_a_row_does_not_notice_its_neighbours(name, kind):
    model = made(BASES[name](), kind)
    ours, short, long = np.array([5, 6, 7, 8]), np.array([9, 10]), np.array([11, 5, 12, 6, 13])

    def logits(rows):
        grids, marks = _packing.packed([rows], [4], 16)
        with torch.inference_mode():
            inputs = _packing.packed_inputs(model, {"input_ids": torch.from_numpy(grids[0]), **marks})
            return model(**inputs).logits, marks[_packing.OWNER]

    alone = logits([ours])[0][0]
    first = logits([ours, np.array([5, 9])])[0][0, :4]
    changed = logits([ours, short])[0][0, :4]
    assert torch.equal(first, changed), "not by a bit, in a block of the same shape"
    found, owner = logits([long, ours, short])
    torch.testing.assert_close(found[owner == 1], alone, rtol=1e-5, atol=1e-6)
    with torch.inference_mode():
        torch.testing.assert_close(model(input_ids=torch.from_numpy(ours)[None]).logits[0], alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", BASES)
def test_the_loss_and_its_gradients_are_those_without_packing(name):
    base, table = BASES[name](), toys.messages_table().slice(0, 9)
    found = {}
    for packing in (False, True):
        task = InstructionTuning(new_tokens=4, packing=packing).fit(table)
        model = made(base)
        batch = task.collate(task.encode(table, base), base, np.random.default_rng(0), purpose="train")
        loss = task.loss(model, batch)
        loss.value.backward()
        found[packing] = loss, torch.cat([of.grad.flatten() for of in model.parameters() if of.grad is not None]), batch
    (plain, gradient, rows), (packed, other, blocks) = found[False], found[True]
    assert plain.items == packed.items
    assert abs(plain.value.item() - packed.value.item()) < 1e-5
    torch.testing.assert_close(other, gradient, rtol=1e-4, atol=1e-6)
    assert len(rows["input_ids"]) == 9
    assert len(blocks["input_ids"]) < 9 or name == "roberta"  # whose tokens are bytes: each row fills a block


@pytest.mark.parametrize("name", BASES)
def test_a_neighbour_changes_no_row_of_the_loss(name):
    base = BASES[name]()
    tables = [toys.messages_table().take([0, row]) for row in (1, 2)]
    task = InstructionTuning(new_tokens=4, packing=True).fit(toys.messages_table())
    model = made(base)
    scores = []
    for table in tables:
        batch = task.collate(task.encode(table, base), base, np.random.default_rng(0), purpose="score")
        assert len(batch["input_ids"]) <= 2
        scores.append(task.outputs(model, batch)["nll"][0])
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)


def test_a_block_that_leaks_is_found():
    """Without positions and masks of its own a row sees what is before it."""
    model = made(toys.decoder_base())
    _packing.require_separable(model, "toy")
    plain = model.forward

    def leaking(input_ids, attention_mask=None, position_ids=None, **more):
        return plain(input_ids=input_ids, **more)

    model.forward = leaking
    with pytest.raises(CapabilityError, match="lets rows of a block see each other"):
        _packing.require_separable(model, "toy")


def test_an_architecture_without_positions_is_refused():
    from dianji.bases.text.lstm import Lstm

    table = toys.messages_table()
    task = InstructionTuning(packing=True).fit(table)
    base = Lstm(layers=1, width=16).prepare(task.corpus(table), 0)
    with pytest.raises(CapabilityError, match=r"packing does not work with base .*takes no positions"):
        task.model(base)


def test_attention_of_another_kind_is_refused():
    model = made(toys.decoder_base())
    model.config._attn_implementation = "flex_attention"
    with pytest.raises(CapabilityError, match="'flex_attention' takes no mask of pairs"):
        _packing.packed_inputs(model, {"owner": torch.zeros((1, 2)), "places": torch.zeros((1, 2))})
