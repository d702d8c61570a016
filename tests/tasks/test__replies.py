"""Answers token by token: as transformers writes them, alone as in a batch, with and without a cache."""

from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from dianji.bases.base import Base
from dianji.tasks import _replies
from dianji.tasks._generation import Decoding
from dianji.tasks._replies import Endings, steps, write
from dianji.testing import families, toys

BASES = {"gpt2": toys.decoder_base, "bert": families.bert, "roberta": families.roberta}
PROMPTS = [[5, 6, 7], [8, 9, 10, 11, 12, 13], [6]]
LIMIT = 8


def made(base: Base):
    torch.manual_seed(3)
    decoder = {"is_decoder": True} if hasattr(base.config, "is_decoder") else {}
    model = base.load(AutoModelForCausalLM, **decoder).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4)  # answers that vary
    return model


def padded(prompts):
    lengths = torch.tensor([*map(len, prompts)])
    ids = torch.zeros((len(prompts), int(lengths.max())), dtype=torch.long)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)] = torch.tensor(prompt)
    return ids, lengths


def written(model, prompts, endings, how=None, uniform=None):
    with torch.inference_mode():
        ids, lengths = padded(prompts)
        return write(model, ids, lengths, endings, LIMIT, how or Decoding(), uniform)


@pytest.mark.parametrize("name", BASES)
def test_a_row_alone_is_the_row_in_a_batch_with_and_without_a_cache(name, monkeypatch):
    model, endings = made(BASES[name]()), Endings(toys.decoder_base().processor, (3,))
    together, margin = written(model, PROMPTS, endings)
    alone = torch.cat([written(model, [prompt], endings)[0] for prompt in PROMPTS])
    assert torch.equal(together, alone)
    assert (margin > 1e-4).all(), "no near-ties, so that the comparison means something"
    monkeypatch.setattr(_replies, "_keeps_the_past", lambda model: False)
    reread, other = written(model, PROMPTS, endings)
    assert torch.equal(together, reread)
    torch.testing.assert_close(margin, other, rtol=1e-3, atol=1e-4)


def test_which_architectures_keep_the_past():
    assert _replies._keeps_the_past(made(toys.decoder_base()))
    assert not _replies._keeps_the_past(made(families.roberta())), "its positions begin after the padding token's"
    assert not _replies._keeps_the_past(torch.nn.Linear(2, 2))


def test_greedy_answers_are_those_of_transformers():
    model, base = made(toys.decoder_base()), toys.decoder_base()
    ends = sorted(
        {int(token) for token in written(model, PROMPTS, Endings(base.processor, (3,)))[0][:, 3] if token >= 0}
    )
    for end in (3, *ends):  # each of them ends some answer early, although 0 also pads
        ours = written(model, PROMPTS, Endings(base.processor, (end,)))[0]
        for row, prompt in enumerate(PROMPTS):
            options: dict[str, Any] = {"max_new_tokens": LIMIT, "do_sample": False, "eos_token_id": end}
            found = model.generate(torch.tensor([prompt]), pad_token_id=0, **options)[0, len(prompt) :].tolist()
            found = found[: found.index(end)] if end in found else found
            assert ours[row].tolist() == found + [-1] * (LIMIT - len(found))


def test_drawn_answers_follow_from_their_numbers_alone():
    model, endings = made(toys.decoder_base()), Endings(toys.decoder_base().processor, (3,))
    uniform = torch.rand((3, LIMIT), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    how = Decoding(temperature=1.0, top_p=0.9)
    together = written(model, PROMPTS, endings, how, uniform)[0]
    alone = [written(model, [prompt], endings, how, uniform[row : row + 1])[0] for row, prompt in enumerate(PROMPTS)]
    assert torch.equal(together, torch.cat(alone))
    assert not torch.equal(together, written(model, PROMPTS, endings, how, 1 - uniform)[0])


def test_a_stop_string_ends_an_answer_and_is_no_part_of_it():
    base = toys.decoder_base()
    model, plain = made(base), Endings(base.processor, (3,))
    tokens = [token for token in written(model, PROMPTS[:1], plain)[0][0].tolist() if token >= 0]
    text = plain.text(tokens)
    stop = text.split()[-1]
    endings = Endings(base.processor, (3,), (stop,))
    found = written(model, PROMPTS, endings)[0][0].tolist()
    kept = [token for token in found if token >= 0]
    assert kept == tokens[: len(kept)]
    assert endings.stopped(kept)
    assert not endings.stopped(kept[:-1]), "nothing is written after it"
    assert endings.text(kept) == text[: text.index(stop)]


def test_steps_end_when_every_row_has_ended():
    model, endings = made(toys.decoder_base()), Endings(toys.decoder_base().processor, tuple(range(22)))
    with torch.inference_mode():
        ids, lengths = padded(PROMPTS)
        assert len(list(steps(model, ids, lengths, endings, LIMIT, Decoding(), None))) == 1


@pytest.mark.parametrize(
    ("text", "settled"),
    [("say \ufffd", "say "), ("say STO", "say "), ("say S", "say "), ("say STOX", "say STOX"), ("", ""), ("ST", "")],
)
def test_what_may_still_change_is_held_back(text, settled):
    assert Endings(None, (), ("STOP",)).settled(text) == settled
