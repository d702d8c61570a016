from __future__ import annotations

import pyarrow as pa
import pytest
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM

from dianji.bases.resolve import resolve
from dianji.errors import DataError, RecipeError
from dianji.registry import from_record, record_of
from dianji.spec.sections import NewBase

NAMES = ["transformer", "lstm", "text-cnn"]
SMALL = {"layers": 2, "width": 16, "vocabulary": 200, "length": 24}


def new(name, **arguments):
    return resolve(NewBase(new=name, arguments={**SMALL, **arguments}), "text")


@pytest.mark.parametrize("name", NAMES)
def test_arguments_reach_the_configuration(name, table):
    base = new(name).prepare(table)
    config = base.config
    assert (config.hidden_size, config.num_hidden_layers, config.max_position_embeddings) == (16, 2, 24)
    assert config.vocab_size == len(base.processor) <= 200
    assert config.pad_token_id == base.processor.pad_token_id == 0
    assert base.card == new(name).card()
    assert (base.card.width, base.card.architecture) == (16, config.model_type)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("auto", [AutoModel, AutoModelForMaskedLM, AutoModelForCausalLM])
def test_every_text_model_can_be_had(name, auto, table):
    overrides = {"is_decoder": True} if auto is AutoModelForCausalLM else {}
    base = new(name).prepare(table)
    model = base.load(auto, **overrides)
    batch = base.processor(["I lost my card", "cash"], padding=True, return_tensors="pt")
    width = 16 if auto is AutoModel else len(base.processor)
    assert model(**batch)[0].shape == (*batch.input_ids.shape, width)


@pytest.mark.parametrize("name", NAMES)
def test_a_record_is_enough_to_make_it_again(name):
    architecture = new(name, tokenizer="bpe", vocabulary=300).architecture
    assert from_record("architecture", record_of(architecture)) == architecture


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("transformer", {"width": 30, "heads": 4}, "width 30 cannot be shared by 4 heads"),
        ("lstm", {"width": 15}, "width 15 is odd"),
        (
            "text-cnn",
            {"tokenizer": "bpe", "vocabulary": 100},
            "a vocabulary of 100 is too small for the tokenizer 'bpe'",
        ),
    ],
)
def test_arguments_that_do_not_go_together(name, arguments, told):
    with pytest.raises(RecipeError, match=told):
        new(name, **arguments).card()


def test_rows_without_text_teach_nothing():
    table = pa.table({"text": pa.array([None, "", "my card", None])})
    assert "card" in new("text-cnn", tokenizer="wordpiece").prepare(table).processor.get_vocab()


def test_no_text_at_all():
    with pytest.raises(DataError, match="no text to train a tokenizer on"):
        new("lstm").prepare(pa.table({"text": pa.array([None, ""], pa.string())}))
