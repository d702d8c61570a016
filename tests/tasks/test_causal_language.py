from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import AutoModelForCausalLM, BertConfig, GPT2Config

from dianji.bases.models.lstm import LstmConfig
from dianji.errors import CapabilityError
from dianji.evaluate.modelled import Modelled
from dianji.registry import from_record, record_of
from dianji.tasks.causal_language import CausalLanguage

NO_ROWS = pa.table({})  # these predictions follow from the outputs alone

LONG = "where is my card how do i pay cash from the bank please " * 2
KINDS = pytest.mark.parametrize("kind", [BertConfig, GPT2Config, LstmConfig])


@pytest.fixture
def texts():
    return pa.table({"text": ["where is my card", LONG, "", "pay cash"]})


def batch_of(task, table, base):
    return task.collate(task.encode(table, base), base, np.random.default_rng(0), purpose="predict")


def run(task, model, table, base):
    return task.assemble(task.outputs(model, batch_of(task, table, base)), task.encode(table, base))


def test_the_record_brings_the_task_back(texts):
    task = CausalLanguage(length=12, new_tokens=3).fit(texts)
    assert from_record("task", record_of(task)) == task


def test_labels_are_the_tokens_that_follow(texts, toy):
    batch = batch_of(CausalLanguage(length=12), texts, toy(GPT2Config))
    for ids, mask, labels in zip(batch["input_ids"], batch["attention_mask"], batch["labels"], strict=True):
        length = int(mask.sum())
        assert labels[: length - 1].tolist() == ids[1:length].tolist()
        assert (labels[length - 1 :] == -100).all()


@KINDS
def test_loss_is_that_of_transformers(texts, toy, kind):
    base = toy(kind)
    task = CausalLanguage()
    model = task.model(base).model
    batch = batch_of(task, texts, base)
    loss = task.loss(model, batch)
    labels = torch.where(batch["attention_mask"] == 1, batch["input_ids"], -100)
    inputs = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}
    torch.testing.assert_close(loss.value, model(**inputs, labels=labels).loss)
    assert loss.items == int((batch["attention_mask"].sum(1) - 1).sum())


@KINDS
def test_no_token_sees_those_after_it(toy, kind):
    base = toy(kind)
    model = CausalLanguage().model(base).model
    one, two = torch.tensor([[7, 8, 9, 10]]), torch.tensor([[7, 8, 11, 12]])
    torch.testing.assert_close(model(input_ids=one).logits[:, :2], model(input_ids=two).logits[:, :2])


@KINDS
def test_a_row_alone_is_scored_and_continued_as_among_others(texts, toy, kind):
    base = toy(kind)
    task = CausalLanguage(length=12, new_tokens=4)
    model = task.model(base).model
    together = run(task, model, texts, base)
    assert together["continuation"].shape == (4, 1 + 4)
    for row in range(4):
        alone = run(task, model, texts.slice(row, 1), base)
        for name, values in alone.items():
            np.testing.assert_allclose(values[0], together[name][row], atol=1e-4, err_msg=name)


def test_continuation_equals_greedy_generation(toy):
    base = toy(GPT2Config, initializer_range=0.5)
    task = CausalLanguage(new_tokens=6)
    model = task.model(base).model
    table = pa.table({"text": ["where is my card", "pay"]})
    predictions = task.predictions(run(task, model, table, base), NO_ROWS, base)
    for text, prediction in zip(table["text"].to_pylist(), predictions, strict=True):
        prompt = torch.tensor(
            [base.processor(text)["input_ids"][:-1]]
        )  # the tokenizer closes a text; that is taken back
        for _ in range(6):
            best = model(input_ids=prompt).logits[:, -1].argmax(-1, keepdim=True)
            if best.item() == base.processor.sep_token_id:
                break
            prompt = torch.cat([prompt, best], dim=1)
        expected = base.processor.decode(prompt[0], skip_special_tokens=True)
        assert f"{text}{prediction.continuation}" == expected
        assert set(prediction.to_json()) == {"perplexity", "continuation"}


def test_a_continuation_ends_where_the_model_ends_it(toy):
    base = toy(GPT2Config)
    task = CausalLanguage(new_tokens=5)
    model = task.model(base).model

    class Ends(torch.nn.Module):
        def forward(self, input_ids, attention_mask):
            output = model(input_ids=input_ids, attention_mask=attention_mask)
            after = attention_mask.sum(1) >= 5
            output.logits[:, :, base.processor.sep_token_id] = torch.where(after, 100.0, -100.0)[:, None]
            return output

    table = pa.table({"text": ["my card", "where is my card"]})  # prompts of 3 and 5 tokens
    added = run(task, Ends(), table, base)["continuation"]
    assert (added[:, 1:] >= 0).sum(axis=1).tolist() == [2, 0]
    assert [one.continuation for one in task.predictions(run(task, Ends(), table, base), NO_ROWS, base)][1] == ""


def test_a_continuation_may_begin_within_a_word(toy):
    base = toy(GPT2Config)
    number = base.processor.convert_tokens_to_ids
    tokens = np.array([[number(token) for token in ("card", "##s", "please")], [number("card"), number("lost"), -1]])
    outputs = {"nll": np.ones(2), "tokens": np.ones(2), "hits": np.ones(2), "continuation": tokens}
    one, two = CausalLanguage(new_tokens=2).predictions(outputs, NO_ROWS, base)
    assert (one.continuation, two.continuation) == ("s please", " lost")


def test_the_last_window_is_continued(toy):
    base = toy(GPT2Config)
    task = CausalLanguage(length=8, new_tokens=2)
    examples = pa.table({"row": [0, 0, 1, 2, 2, 2]})
    numbers = np.arange(6)
    outputs = {
        "nll": numbers.astype(float),
        "tokens": numbers,
        "hits": numbers,
        "hits_margin": numbers.astype(np.float32),
        "continuation_margin": np.ones((len(numbers), 2)),
        "continuation": np.stack([numbers] * 2, 1),
    }
    rows = task.assemble(outputs, examples)
    assert rows["continuation"][:, 0].tolist() == [1, 2, 5]
    assert rows["nll"].tolist() == [1.0, 2.0, 12.0]
    assert isinstance(task.outcome(rows, examples), Modelled)
    assert base.card.name == "toy"


def test_without_new_tokens_there_is_perplexity_alone(texts, toy):
    base = toy(GPT2Config)
    task = CausalLanguage()
    model = task.model(base).model
    outputs = run(task, model, texts, base)
    short, _, empty, _ = task.predictions(outputs, NO_ROWS, base)
    assert short.to_json() == {"perplexity": pytest.approx(float(np.exp(outputs["nll"][0] / outputs["tokens"][0])))}
    assert empty.perplexity is not None  # the token that closes a text is predicted too


def test_no_room_for_new_tokens_is_said(toy):
    base, texts = toy(GPT2Config), pa.table({"text": [LONG * 2]})
    with pytest.raises(CapabilityError, match="Set the task's length to at most 28"):
        batch_of(CausalLanguage(new_tokens=4), texts, base)


def test_an_encoder_becomes_a_decoder_and_stays_one(bert, folders):
    model = CausalLanguage().model(bert).model
    assert type(model).__name__ == "BertLMHeadModel"
    assert model.config.is_decoder
    folder = folders.save(model, bert.processor)
    again = folders.open(folder, bert)
    reopened = CausalLanguage().model(again).model
    again.require_complete()
    ids = torch.tensor([[2, 7, 8]])
    torch.testing.assert_close(reopened(input_ids=ids).logits, model(input_ids=ids).logits)
    opened = AutoModelForCausalLM.from_pretrained(folder)
    torch.testing.assert_close(opened(input_ids=ids).logits, model(input_ids=ids).logits)
