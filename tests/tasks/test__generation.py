from functools import cache

import numpy as np
import pytest
import torch

from dianji.tasks._generation import Decoder, Decoding, drawn, restrict
from dianji.tasks._pairs import Marks
from dianji.tasks.text_to_text import TextToText
from dianji.testing import toys

LIMIT = 20
RNG = np.random.default_rng(0)


@cache
def learnt():
    """A toy model that has learnt enough to end some texts early and others late."""
    base, task = toys.seq2seq_base(), TextToText().fit(toys.pairs_table())
    torch.manual_seed(0)
    model = task.model(base).model
    batch = task.collate(task.encode(toys.pairs_table(), base), base, RNG, purpose="train")
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(40):
        loss = task.loss(model, batch).value
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return model.eval()


def written(rows=slice(None), **arguments):
    base, table = toys.seq2seq_base(), toys.pairs_table()
    task = TextToText(new_tokens=LIMIT, **arguments).fit(table)
    examples = task.encode(table, base).slice(rows.start or 0, (rows.stop or 24) - (rows.start or 0))
    batch = task.collate(examples, base, RNG, purpose="predict")
    return batch, task.outputs(learnt(), batch)


def theirs(batch, beams, **options):
    asked = {"num_beams": beams, "max_new_tokens": LIMIT, "max_length": None, "do_sample": False, **options}
    with torch.inference_mode():
        found = learnt().generate(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], **asked)
    return [row[: row.index(3)] if 3 in row else [t for t in row if t != 0] for row in found[:, 1:].tolist()]


def ours(outputs):
    return [[token for token in row if token >= 0] for row in outputs["written"].tolist()]


@pytest.mark.parametrize("no_repeat", [0, 2])
def test_greedy_text_is_that_of_transformers(no_repeat):
    batch, outputs = written(beams=1, no_repeat=no_repeat)
    found = ours(outputs)
    assert found == theirs(batch, 1, no_repeat_ngram_size=no_repeat or None)
    assert len(set(map(len, found))) > 1, "the toy ends all texts at the same place"


@pytest.mark.parametrize("no_repeat", [0, 2])
@pytest.mark.parametrize("penalty", [-1.0, 0.0, 1.0, 2.0])
@pytest.mark.parametrize("beams", [2, 4])
def test_the_best_beam_is_that_of_transformers(beams, penalty, no_repeat):
    batch, outputs = written(beams=beams, length_penalty=penalty, no_repeat=no_repeat)
    asked = {"length_penalty": penalty, "no_repeat_ngram_size": no_repeat or None, "early_stopping": False}
    assert ours(outputs) == theirs(batch, beams, **asked)


@pytest.mark.parametrize(
    "arguments", [{"beams": 1}, {"beams": 3}, {"temperature": 0.8}, {"temperature": 1.5, "top_k": 5, "top_p": 0.9}]
)
def test_a_row_does_not_depend_on_its_batch(arguments):
    _, together = written(**arguments)
    alone = [written(slice(row, row + 1), **arguments)[1] for row in range(24)]
    sure = together["written_margin"][:, -1] > 1e-3
    assert sure.sum() >= 8
    for row in np.flatnonzero(sure):
        assert np.array_equal(alone[row]["written"][0], together["written"][row])


def test_draws_follow_from_the_seed():
    first, again, other = (ours(written(temperature=2.0, sampling_seed=seed)[1]) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_low_temperature_writes_the_likeliest_text():
    cold = written(temperature=1e-4)[1]["written"]
    assert np.array_equal(cold, written(beams=1)[1]["written"])


def test_draws_have_the_distribution_that_is_asked_for():
    logits = torch.log(torch.tensor([[0.1, 0.6, 0.3]])).repeat(4000, 1)
    uniform = torch.from_numpy(np.random.default_rng(0).random(4000))
    counts = torch.bincount(drawn(logits, uniform, Decoding(temperature=1.0))[0], minlength=3) / 4000
    assert counts.tolist() == pytest.approx([0.1, 0.6, 0.3], abs=0.03)
    likely = drawn(logits, uniform, Decoding(temperature=1.0, top_p=0.85))[0]
    assert torch.bincount(likely, minlength=3).tolist()[0] == 0
    assert (torch.bincount(likely, minlength=3)[1] / 4000).item() == pytest.approx(2 / 3, abs=0.03)
    assert drawn(logits, uniform, Decoding(temperature=1.0, top_k=1))[0].eq(1).all()


def test_margins_shrink_along_a_text_and_show_near_ties():
    _, outputs = written(beams=1)
    margin = outputs["written_margin"]
    assert (np.diff(margin, axis=1) <= 0).all()
    logits = torch.tensor([[1.0, 1.0 + 1e-6, 0.0]])
    _, gap = drawn(logits, torch.tensor([0.5]), Decoding(temperature=1.0, top_k=1))
    assert gap.item() < 1e-5


def test_forced_and_banned_tokens():
    marks = Marks(start=0, end=1, banned=(2,), first=3, last=1)
    written_so_far = torch.zeros((1, 0), dtype=torch.int64)
    first = restrict(torch.zeros(1, 5), written_so_far, marks, limit=3, no_repeat=0)
    assert first.argmax().item() == 3
    middle = restrict(torch.zeros(1, 5), torch.tensor([[3]]), marks, limit=3, no_repeat=0)
    assert middle[0, 2].item() == -torch.inf
    assert middle[0, 4].item() == 0
    last = restrict(torch.zeros(1, 5), torch.tensor([[3, 4]]), marks, limit=3, no_repeat=0)
    assert last.argmax().item() == 1


def test_rows_that_have_ended_are_not_computed(monkeypatch):
    sizes = []
    step = Decoder.step

    def counted(self, tokens):
        sizes.append(len(tokens))
        return step(self, tokens)

    monkeypatch.setattr(Decoder, "step", counted)
    _, outputs = written(beams=1)
    lengths = (outputs["written"] >= 0).sum(axis=1)
    assert sizes[0] == 24
    assert sizes[-1] < 24
    assert len(sizes) == min(LIMIT, lengths.max() + 1)
