from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, AutoModelForMaskedLM, BertConfig, DistilBertConfig, GPT2Config, RobertaConfig

from dianji.errors import BaseError, CapabilityError, DataError
from dianji.evaluate.labelled import Classified, Tagged
from dianji.registry import from_record, record_of
from dianji.tasks._pooled import PooledClassifier, first, mean
from dianji.tasks.text_classification import TextClassification

NO_ROWS = pa.table({})  # these predictions follow from the outputs alone

RNG = np.random.default_rng(0)


def batch_of(task, table, base, rows=None):
    examples = task.encode(table, base)
    return task.collate(examples if rows is None else examples.take(rows), base, RNG, purpose="score")


def logits_of(task, model, table, base):
    return task.outputs(model, batch_of(task, table, base))["logits"]


def test_labels_are_learnt_sorted_and_survive_the_record(questions):
    task = TextClassification().fit(questions)
    assert task.labels == ("card", "cash", "payment")
    assert from_record("task", record_of(task)) == task


def test_numeric_labels_are_sorted_by_value():
    task = TextClassification().fit(pa.table({"text": ["a"] * 3, "label": [10, 2, 1]}))
    assert task.labels == ("1", "2", "10")


def test_given_labels_keep_their_order_and_must_cover_the_table(questions):
    given = TextClassification(labels=("payment", "cash", "card"))
    assert given.fit(questions) == given
    with pytest.raises(DataError, match=r"row 3: label 'cash' is not among the 2 labels"):
        TextClassification(labels=("payment", "card")).fit(questions)


@pytest.mark.parametrize(
    "table", [{"text": ["a", "b"], "label": ["x", "x"]}, {"text": [], "label": pa.array([], pa.string())}]
)
def test_nothing_to_tell_apart_is_refused(table):
    with pytest.raises(DataError, match="expected at least"):
        TextClassification().fit(pa.table(table))


def test_unknown_label_is_named_with_its_place_and_a_suggestion(questions, bert):
    task = TextClassification().fit(questions)
    bad = pa.table({"text": ["x", "y"], "label": ["card", "paiment"], "__source__": ["a.csv, line 2", "a.csv, line 3"]})
    with pytest.raises(DataError, match=r"a\.csv, line 3: label 'paiment' .* Did you mean 'payment'\?"):
        task.encode(bad, bert)


def test_null_text_is_refused_and_empty_text_is_not(questions, bert):
    task = TextClassification().fit(questions)
    with pytest.raises(DataError, match=r"row 2: column 'text' is null"):
        task.encode(pa.table({"text": ["a", None]}), bert)
    assert task.encode(pa.table({"text": [""]}), bert)["length"].to_pylist() == [2]


def test_encoding_says_what_was_cut_off(questions, bert):
    task = TextClassification(length=4).fit(questions)
    examples = task.encode(questions, bert)
    assert examples["length"].to_pylist() == [4, 4, 4, 4, 2, 4]
    uncut = TextClassification().fit(questions).encode(questions, bert)
    assert examples["whole"].to_pylist() == uncut["length"].to_pylist()
    assert (np.array(uncut["length"]) > 4).tolist() == [True, True, True, False, False, True]
    assert examples["row"].to_pylist() == list(range(6))
    assert "target" not in task.encode(questions.drop(["label"]), bert).column_names


@pytest.mark.parametrize("length", [2, 33])
def test_a_length_the_base_does_not_take_is_refused(questions, bert, length):
    with pytest.raises(CapabilityError, match="expected 3 to 32 tokens"):
        TextClassification(length=length).fit(questions).encode(questions, bert)


def test_batches_are_padded_to_their_longest(questions, bert):
    task = TextClassification().fit(questions)
    batch = batch_of(task, questions, bert, [3, 4, 1])
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (3, 6)
    assert batch["attention_mask"].sum(dim=1).tolist() == [4, 2, 6]
    assert (batch["input_ids"][1, 2:] == 0).all()
    assert batch["labels"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("pooling", ["mean", "first", "native"])
def test_a_row_alone_and_among_padding_gets_the_same_logits(questions, bert, pooling):
    task = TextClassification(pooling=pooling).fit(questions)
    model = task.model(bert).model
    together = logits_of(task, model, questions, bert)
    alone = np.concatenate([logits_of(task, model, questions.slice(row, 1), bert) for row in range(6)])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert together.dtype == np.float32


def test_pooling_equals_one_row_at_a_time():
    hidden, mask = torch.randn(3, 5, 4), torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 1, 1, 0]])
    slow = torch.stack([row[keep.bool()].mean(dim=0) for row, keep in zip(hidden, mask, strict=True)])
    torch.testing.assert_close(mean(hidden, mask), slow)
    torch.testing.assert_close(first(hidden, mask), torch.stack([hidden[0, 0], hidden[1, 0], hidden[2, 2]]))


def test_auto_pooling_follows_the_card(questions, bert):
    assert isinstance(TextClassification().fit(questions).model(bert).model, PooledClassifier)
    native = TextClassification(pooling="native").fit(questions).model(bert)
    assert type(native.model).__name__ == "BertForSequenceClassification"
    assert native.head == ("classifier",)
    assert native.model.config.id2label == {0: "card", 1: "cash", 2: "payment"}
    assert native.model.config.problem_type == "single_label_classification"


def test_loss_is_the_mean_cross_entropy_and_reaches_every_used_weight(questions, bert):
    task = TextClassification().fit(questions)
    made = task.model(bert)
    batch = batch_of(task, questions, bert)
    loss = task.loss(made.model, batch)
    scores = torch.from_numpy(task.outputs(made.model, batch)["logits"])
    slow = -torch.stack([row.log_softmax(-1)[label] for row, label in zip(scores, batch["labels"], strict=True)]).mean()
    torch.testing.assert_close(loss.value.detach(), slow)
    assert loss.items == 6
    loss.value.backward()
    still = {name for name, parameter in made.model.named_parameters() if parameter.grad is None}
    assert still == {"backbone.pooler.dense.weight", "backbone.pooler.dense.bias"}


def test_the_pooler_of_bert_is_not_computed_but_saved(questions, bert, tmp_path):
    made = TextClassification().fit(questions).model(bert).model
    pooler = made.get_submodule("backbone.pooler")
    assert pooler(torch.zeros(1, 2, 3)) is None
    kept = {name: tensor.clone() for name, tensor in pooler.state_dict().items()}
    assert set(kept) == {"dense.weight", "dense.bias"}
    made.save_pretrained(tmp_path)
    again = AutoModel.from_pretrained(tmp_path).pooler
    assert all(torch.equal(tensor, kept[name]) for name, tensor in again.state_dict().items())


def test_loss_is_taken_in_fp32_under_autocast(questions, bert):
    task = TextClassification().fit(questions)
    with torch.autocast("cpu", torch.bfloat16):
        assert task.loss(task.model(bert).model, batch_of(task, questions, bert)).value.dtype == torch.float32


def test_predictions_are_words(questions, bert):
    task = TextClassification().fit(questions)
    outputs = {"logits": np.array([[0.0, 2.0, 1.0]], dtype=np.float32)}
    (prediction,) = task.predictions(outputs, NO_ROWS, bert)
    expected = np.exp([2.0, 1.0, 0.0]) / np.exp([0.0, 2.0, 1.0]).sum()
    assert prediction.to_json() == {"label": "cash", "probability": pytest.approx(expected[0])}
    every = prediction.to_json(everything=True)["probabilities"]
    assert list(every) == ["cash", "payment", "card"]
    assert list(every.values()) == pytest.approx(list(expected))
    json.dumps(prediction.to_json(everything=True))


def test_outcome_has_targets_beside_probabilities(questions, bert):
    task = TextClassification().fit(questions)
    examples = task.encode(questions, bert)
    outcome = task.outcome({"logits": np.zeros((6, 3), dtype=np.float32)}, examples)
    assert isinstance(outcome, Classified)
    assert outcome.target.tolist() == [0, 2, 1, 0, 1, 2] == task.baseline_targets(questions).tolist()
    np.testing.assert_allclose(outcome.probabilities, 1 / 3)


# Folders


def saved(task, base, questions, folders, name="saved"):
    model = task.model(base).model
    folder = folders.save(model, base.processor, name)
    return model, folder


@pytest.mark.parametrize("pooling", ["mean", "first"])
@pytest.mark.parametrize("kind", [BertConfig, DistilBertConfig, RobertaConfig])
def test_sentence_transformers_gives_the_logits(questions, toy, folders, pooling, kind):
    base = toy(kind)
    task = TextClassification(pooling=pooling, length=5).fit(questions)
    model, folder = saved(task, base, questions, folders)
    opened = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    assert [type(module).__name__ for module in opened] == ["Transformer", "Pooling", "Dense"]
    assert opened.max_seq_length == 5
    np.testing.assert_allclose(
        opened.encode(questions["text"].to_pylist()), logits_of(task, model, questions, base), atol=1e-5
    )


def test_transformers_opens_the_backbone_without_missing_weights(questions, bert, folders):
    task = TextClassification().fit(questions)
    model, folder = saved(task, bert, questions, folders)
    opened, report = AutoModel.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    for name, tensor in model.backbone.state_dict().items():
        torch.testing.assert_close(opened.state_dict()[name], tensor, rtol=0, atol=0)
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["BertModel"]
    # transformers would put a random head under these names.
    assert not {"id2label", "label2id", "problem_type"} & config.keys()
    assert json.loads((folder / "2_Dense" / "labels.json").read_text()) == {"labels": ["card", "cash", "payment"]}


@pytest.mark.parametrize("pooling", ["mean", "native"])
def test_the_head_is_kept_for_the_same_labels_and_new_for_others(questions, bert, folders, pooling):
    task = TextClassification(pooling=pooling).fit(questions)
    model, folder = saved(task, bert, questions, folders)
    labels = task.labels if pooling == "native" else ()
    again = folders.open(folder, bert, labels)
    reopened = task.model(again).model
    again.require_complete()
    np.testing.assert_array_equal(logits_of(task, reopened, questions, bert), logits_of(task, model, questions, bert))
    for others in (("a", "b", "c"), ("a", "b", "c", "d")):
        made = TextClassification(pooling=pooling, labels=others).model(again)
        assert {"classifier.weight", "classifier.bias"} <= set(again.new_weights)
        drawn = made.model.get_parameter("classifier.weight")
        assert len(drawn) == len(others)
        assert not torch.equal(drawn[:3], model.get_parameter("classifier.weight"))
        trunk = made.model.base_model.state_dict()
        for name, tensor in model.base_model.state_dict().items():
            torch.testing.assert_close(trunk[name], tensor, rtol=0, atol=0)


def test_a_damaged_head_is_refused(questions, bert, folders):
    task = TextClassification().fit(questions)
    _, folder = saved(task, bert, questions, folders)
    file = folder / "2_Dense" / "model.safetensors"
    weights = load_file(file)
    save_file({"linear.weight": weights["linear.weight"]}, file)
    with pytest.raises(BaseError, match="linear layer for 3 labels"):
        task.model(folders.open(folder, bert))
    file.write_bytes(b"nonsense")
    with pytest.raises(BaseError, match="2_Dense"):
        task.model(folders.open(folder, bert))


@pytest.mark.parametrize("pooling", ["mean", "native"])
def test_the_trunk_of_a_masked_language_model_is_taken_over(questions, bert, folders, pooling):
    before = AutoModelForMaskedLM.from_config(bert.config)
    base = folders.open(folders.save(before, bert.processor), bert)
    model = TextClassification(pooling=pooling).fit(questions).model(base).model
    trunk = model.base_model.state_dict()
    for name, tensor in before.bert.state_dict().items():
        torch.testing.assert_close(trunk[name], tensor, rtol=0, atol=0)


def test_a_decoder_without_padding_token_classifies(questions, toy):
    base = toy(GPT2Config)
    task = TextClassification().fit(questions)
    made = task.model(base)
    assert made.head == ("score",)
    assert logits_of(task, made.model, questions, base).shape == (6, 3)


# Several labels


@pytest.fixture
def tickets():
    return pa.table(
        {"text": ["lost card", "pay cash", "refund", "bank"], "labels": [["card", "lost"], ["cash"], [], ["card"]]}
    )


def test_several_labels(tickets, bert):
    task = TextClassification(several=True).fit(tickets)
    assert set(task.columns) == {"text", "labels"}
    assert task.labels == ("card", "cash", "lost")
    batch = batch_of(task, tickets, bert)
    expected = [[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 0, 0]]
    assert batch["labels"].tolist() == expected
    model = task.model(bert).model
    scores = torch.from_numpy(task.outputs(model, batch)["logits"])
    probability = scores.sigmoid()
    chosen = torch.where(batch["labels"] == 1, probability, 1 - probability)
    torch.testing.assert_close(task.loss(model, batch).value.detach(), -chosen.log().mean())
    outcome = task.outcome({"logits": scores.numpy()}, task.encode(tickets, bert))
    assert isinstance(outcome, Tagged)
    assert outcome.target.tolist() == [[bool(one) for one in row] for row in expected]
    np.testing.assert_array_equal(task.baseline_targets(tickets), outcome.target)
    native = TextClassification(several=True, pooling="native").fit(tickets).model(bert).model
    assert native.config.problem_type == "multi_label_classification"


def test_several_labels_joined_in_a_cell_or_missing(tickets):
    joined = pa.table({"text": tickets["text"], "labels": ["lost|card", "cash", None, " card "]})
    task = TextClassification(several=True).fit(joined)
    assert task == TextClassification(several=True).fit(tickets)
    assert task.baseline_targets(joined).tolist() == task.baseline_targets(tickets).tolist()


def test_predicted_labels_pass_the_threshold(tickets, bert):
    task = TextClassification(several=True, threshold=0.6).fit(tickets)
    logits = np.log([[0.7 / 0.3, 0.9 / 0.1, 0.5 / 0.5], [0.1, 0.1, 0.1]]).astype(np.float32)
    one, none = task.predictions({"logits": logits}, NO_ROWS, bert)
    assert one.to_json() == {"labels": {"cash": pytest.approx(0.9), "card": pytest.approx(0.7)}}
    assert none.to_json() == {"labels": {}}
    assert list(one.to_json(everything=True)["probabilities"]) == ["cash", "card", "lost"]


def test_an_unknown_label_among_several_is_named(tickets, bert):
    task = TextClassification(several=True).fit(tickets)
    with pytest.raises(DataError, match=r"row 1: label 'lots' .* Did you mean 'lost'"):
        task.encode(pa.table({"text": ["x"], "labels": [["card", "lots"]]}), bert)


def test_no_label_at_all_is_refused():
    with pytest.raises(DataError, match="no label in any row"):
        TextClassification(several=True).fit(pa.table({"text": ["x"], "labels": pa.array([[]], pa.list_(pa.string()))}))
