from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from dianji.bases.folder import FolderBase
from dianji.data.findings import Findings
from dianji.errors import DataError
from dianji.tasks.text_pair_classification import TextPairClassification
from dianji.tasks.truncation import truncation
from dianji.testing import toys

NLI = ("CONTRADICTION", "NEUTRAL", "ENTAILMENT")


def batch_of(task, table, base):
    return task.collate(task.encode(table, base), base, np.random.default_rng(0), purpose="score")


def nli_table():
    pairs = toys.related_table()
    return pairs.set_column(2, "label", [["entailment", "neutral", "contradiction"] * 8])


def nli_base(folder):
    """A folder with a trained classifier of pairs, whose labels are in another order and in capitals."""
    torch.manual_seed(3)
    config = BertConfig(**{**toys.text_base().config.to_dict(), "id2label": dict(enumerate(NLI))})
    BertForSequenceClassification(config).save_pretrained(folder)
    toys.text_base().processor.save_pretrained(folder)
    return FolderBase(folder).prepare(pa.table({}))


def test_both_texts_and_their_types_reach_the_model():
    task = TextPairClassification().fit(toys.related_table())
    batch = batch_of(task, toys.related_table(), toys.text_base())
    assert set(batch) == {"input_ids", "attention_mask", "token_type_ids", "labels"}
    assert (batch["token_type_ids"].sum(dim=1) > 0).all()
    assert (batch["token_type_ids"][batch["attention_mask"] == 0] == 0).all()


def test_the_order_of_the_two_texts_counts():
    table, base = toys.related_table(), toys.text_base()
    task = TextPairClassification().fit(table)
    torch.manual_seed(0)
    model = task.model(base).model
    swapped = table.rename_columns(["other", "text", "label"])
    logits = [task.outputs(model, batch_of(task, rows, base))["logits"] for rows in (table, swapped)]
    assert np.abs(logits[0] - logits[1]).max() > 1e-4


def test_long_pairs_are_cut_and_counted():
    task = TextPairClassification(length=8).fit(toys.related_table())
    cut = truncation(task.encode(toys.related_table(), toys.text_base()))
    assert cut.rows > 0
    assert str(cut).startswith(f"{cut.rows} of 24 rows")


def test_a_pretrained_head_in_another_order_is_kept(tmp_path):
    """Labels are matched by name, so that no pair is given the wrong one."""
    base, table = nli_base(tmp_path), nli_table()
    task = TextPairClassification(pooling="native").fit(table)
    assert task.labels == ("contradiction", "entailment", "neutral")
    model = task.model(base)
    assert base.new_weights == []
    plain = BertForSequenceClassification.from_pretrained(tmp_path).eval()
    batch = batch_of(task, table, base)
    with torch.inference_mode():
        expected = plain(**task.model_inputs(batch)).logits[:, [0, 2, 1]].numpy()
    np.testing.assert_allclose(task.outputs(model.model, batch)["logits"], expected, atol=1e-6)


def test_a_head_for_other_labels_is_new(tmp_path):
    base = nli_base(tmp_path)
    pairs = toys.related_table()
    table = pairs.set_column(2, "label", [["a", "b", "c"] * 8])
    TextPairClassification(pooling="native").fit(table).model(base)
    assert set(base.new_weights) == {"classifier.weight", "classifier.bias"}


@pytest.mark.parametrize("empty", ["", "  \n", None])
@pytest.mark.parametrize("side", ["text", "other"])
def test_an_empty_side_is_refused_with_its_row(side, empty):
    rows = {"text": ["my card", "my cash"], "other": ["a card", "a refund"], "label": ["x", "y"]}
    rows[side] = [rows[side][0], empty]
    table = pa.table({**rows, "__source__": ["a.csv, line 2", "a.csv, line 3"]})
    task, findings = TextPairClassification(labels=("x", "y")), Findings()
    task.check(table, findings)
    assert findings.count == 1
    assert findings.faults[0].startswith(f"a.csv, line 3: column '{side}' is empty")
    with pytest.raises(DataError, match=rf"a\.csv, line 3: column '{side}' is empty"):
        task.encode(table, toys.text_base())


def test_labels_that_are_numbers_without_names_are_warned_of():
    pairs = toys.related_table()
    findings = Findings()
    TextPairClassification().check(pairs.set_column(2, "label", [["0", "1", "-1"] * 8]), findings)
    (warning,) = findings.warnings
    assert "numbers without names (-1, 0, 1)" in warning
    assert "-1 marks pairs" in warning
    findings = Findings()
    TextPairClassification().check(pairs, findings)
    assert findings.warnings == []


def test_both_texts_teach_a_new_tokenizer():
    assert TextPairClassification().corpus(toys.related_table())["text"].to_pylist() == [
        text for name in ("text", "other") for text in toys.related_table()[name].to_pylist()
    ]


def test_baselines_suit_the_answer():
    assert TextPairClassification().baselines == ("majority", "tfidf-logistic-regression", "second-text-alone")
