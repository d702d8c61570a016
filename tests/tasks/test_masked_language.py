from __future__ import annotations

import copy
import json

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import AutoModelForMaskedLM, BertConfig, GPT2Config

from dianji.errors import CapabilityError, DataError
from dianji.evaluate.modelled import Modelled
from dianji.registry import from_record, record_of
from dianji.tasks.masked_language import MaskedLanguage

NO_ROWS = pa.table({})  # these predictions follow from the outputs alone

LONG = "where is my card how do i pay cash from the bank please " * 3


@pytest.fixture
def texts():
    return pa.table({"text": ["where is my card", LONG, "", "我的银行卡丢了怎么办", "pay cash"]})


def collate(task, table, base, *, training=True, seed=0):
    return task.collate(
        task.encode(table, base), base, np.random.default_rng(seed), purpose="train" if training else "score"
    )


def run(task, model, table, base):
    examples = task.encode(table, base)
    outputs = task.outputs(model, task.collate(examples, base, np.random.default_rng(0), purpose="predict"))
    return task.assemble(outputs, examples)


def test_the_record_brings_the_task_back(texts):
    task = MaskedLanguage(probability=0.3, whole_word=True, length=12).fit(texts)
    assert from_record("task", record_of(task)) == task


def test_nothing_to_learn_from_is_refused():
    with pytest.raises(DataError, match="no rows"):
        MaskedLanguage().fit(pa.table({"text": pa.array([], pa.string())}))


def test_long_texts_become_windows_without_overlap(texts, bert):
    examples = MaskedLanguage(length=12).encode(texts, bert)
    assert examples["row"].to_pylist() == [0, 1, 1, 1, 1, 2, 3, 4]
    assert max(examples["length"].to_pylist()) == 12
    inner = [
        ids[1:-1]
        for ids, row in zip(examples["input_ids"].to_pylist(), examples["row"].to_pylist(), strict=True)
        if row == 1
    ]
    assert [token for window in inner for token in window] == bert.processor(LONG, add_special_tokens=False)[
        "input_ids"
    ]


@pytest.mark.parametrize("whole_word", [False, True])
def test_labels_are_the_tokens_that_were_hidden(texts, bert, whole_word):
    task = MaskedLanguage(whole_word=whole_word)
    examples = task.encode(texts, bert)
    batch = collate(task, texts, bert)
    original = np.zeros(batch["input_ids"].shape, dtype=np.int64)
    for row, ids in enumerate(examples["input_ids"].to_pylist()):
        original[row, : len(ids)] = ids
    chosen = batch["labels"].numpy() != -100
    assert chosen.any(axis=1).tolist() == [length > 2 for length in examples["length"].to_pylist()]
    assert (batch["labels"].numpy()[chosen] == original[chosen]).all()
    assert (batch["input_ids"].numpy()[~chosen] == original[~chosen]).all()
    assert not np.isin(original[chosen], bert.processor.all_special_ids).any()


def test_masks_are_new_in_training_and_fixed_in_evaluation(texts, bert):
    task = MaskedLanguage()
    one, two = (collate(task, texts, bert, seed=seed)["labels"] for seed in (0, 1))
    assert not torch.equal(one, two)
    assert torch.equal(one, collate(task, texts, bert, seed=0)["labels"])
    one, two = (collate(task, texts, bert, training=False, seed=seed)["labels"] for seed in (0, 1))
    assert torch.equal(one, two)


@pytest.mark.parametrize("whole_word", [False, True])
def test_a_row_alone_scores_as_among_others(texts, bert, whole_word):
    task = MaskedLanguage(whole_word=whole_word, length=12)
    model = task.model(bert).model
    together = run(task, model, texts, bert)
    alone = [run(task, model, texts.slice(row, 1), bert) for row in range(len(texts))]
    for name, values in together.items():
        np.testing.assert_allclose(values, np.concatenate([one[name] for one in alone]), atol=1e-5, err_msg=name)


def test_outputs_equal_a_slow_sum_over_full_logits(texts, bert):
    task = MaskedLanguage()
    model = task.model(bert).model
    batch = collate(task, texts, bert, training=False)
    outputs = task.outputs(model, batch)
    with torch.no_grad():
        logs = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits.log_softmax(-1)
    for row, labels in enumerate(batch["labels"]):
        places = [place for place, label in enumerate(labels.tolist()) if label != -100]
        nll = -sum(logs[row, place, labels[place]].item() for place in places)
        assert outputs["nll"][row] == pytest.approx(nll, abs=1e-4)
        assert outputs["tokens"][row] == len(places)
        assert outputs["hits"][row] == sum(int(logs[row, place].argmax() == labels[place]) for place in places)
    loss = task.loss(model, batch)
    assert loss.items == outputs["tokens"].sum()
    assert loss.value.item() == pytest.approx(outputs["nll"].sum() / loss.items, abs=1e-5)


def test_windows_are_summed_to_rows(texts, bert):
    task = MaskedLanguage(length=12)
    examples = task.encode(texts, bert)
    nll, tokens = np.arange(8.0), np.arange(8)
    none = {"fill_tokens": np.full((8, 4, 5), -1), "fill_probabilities": np.zeros((8, 4, 5), np.float32)}
    rows = task.assemble({"nll": nll, "tokens": tokens, "hits": tokens, "hits_margin": nll, **none}, examples)
    assert rows["nll"].tolist() == [0.0, 1 + 2 + 3 + 4, 5, 6, 7]
    outcome = task.outcome(rows, examples)
    assert isinstance(outcome, Modelled)
    assert outcome.rows == 5
    assert outcome.tokens.tolist() == [0, 10, 5, 6, 7]


def test_nothing_to_predict_gives_a_loss_of_zero_that_can_be_followed_back(bert):
    task = MaskedLanguage()
    model = task.model(bert).model
    table = pa.table({"text": ["", ""]})
    loss = task.loss(model, collate(task, table, bert))
    assert (loss.items, loss.value.item()) == (0, 0.0)
    loss.value.backward()
    (one, _) = task.predictions(run(task, model, table, bert), NO_ROWS, bert)
    assert one.to_json() == {"perplexity": None}


def test_the_head_is_what_is_not_tied_to_the_trunk(bert, toy):
    made = MaskedLanguage().model(bert)
    head = {name for name, _ in made.model.named_parameters() if made.is_head(name)}
    assert {name.rsplit(".", 1)[0] for name in head} == {
        "cls.predictions",
        "cls.predictions.transform.dense",
        "cls.predictions.transform.LayerNorm",
    }
    untied = MaskedLanguage().model(toy(BertConfig, tie_word_embeddings=False))
    assert untied.head == ("cls",)


def test_the_trunk_goes_round(bert, folders):
    before = MaskedLanguage().model(bert).model
    again = folders.open(folders.save(before, bert.processor), bert)
    after = MaskedLanguage().model(again).model
    again.require_complete()
    for name, tensor in before.state_dict().items():
        torch.testing.assert_close(after.state_dict()[name], tensor, rtol=0, atol=0)
    assert type(AutoModelForMaskedLM.from_pretrained(again.folder)).__name__ == "BertForMaskedLM"


def test_mask_tokens_in_the_text_are_filled_in(bert):
    task = MaskedLanguage(length=8)
    model = task.model(bert).model
    table = pa.table({"text": ["where is my [MASK]", "pay cash", "[MASK] cash from the bank please [MASK] my card"]})
    outputs = run(task, model, table, bert)
    one, two, three = task.predictions(outputs, NO_ROWS, bert)
    assert one.perplexity is None
    assert two.to_json()["perplexity"] > 1
    assert "fills" not in two.to_json()
    assert (len(one.fills), len(three.fills)) == (1, 2)
    ids = bert.processor(["where is my [MASK]"], return_tensors="pt")
    with torch.no_grad():
        expected = model(input_ids=ids["input_ids"], attention_mask=ids["attention_mask"]).logits[0, 4].softmax(-1)
    best = expected.topk(5)
    words = [bert.processor.decode([token]) for token in best.indices.tolist()]
    assert list(one.fills[0]) == words
    assert list(one.fills[0].values()) == pytest.approx(best.values.tolist(), abs=1e-6)
    short = one.to_json()["fills"]
    assert short == [{"token": words[0], "probability": pytest.approx(best.values[0].item(), abs=1e-6)}]
    assert len(one.to_json(everything=True)["fills"][0]) == 5
    json.dumps(three.to_json(everything=True))


def test_a_tokenizer_without_mask_token_is_refused(toy, tokenizer):
    base = toy(GPT2Config)
    processor = copy.deepcopy(base.processor)
    processor.mask_token = None
    object.__setattr__(base, "processor", processor)
    with pytest.raises(CapabilityError, match="no mask token"):
        MaskedLanguage().model(base)
