from __future__ import annotations

import pytest

from dianji.bases.resolve import resolve
from dianji.spec.sections import NewBase


def digest(seed=0, **arguments):
    return resolve(NewBase(new="transformer", arguments=arguments), "text", seed=seed).digest()


def test_the_digest_is_of_the_filled_arguments_and_the_seed():
    assert digest() == digest(layers=4, width=256)
    assert len({digest(), digest(layers=3), digest(seed=1), digest(tokenizer="bpe")}) == 4


def test_lstm_and_cnn_differ():
    assert resolve(NewBase(new="lstm"), "text").digest() != resolve(NewBase(new="text-cnn"), "text").digest()


@pytest.mark.parametrize(("name", "modality"), [("text-cnn", "text"), ("cnn", "image")])
def test_cards_know_what_is_to_come(name, modality):
    card = resolve(NewBase(new=name), modality).card()
    assert card.name == f"new {name}"
    assert card.modality == modality
    assert not card.pretrained
