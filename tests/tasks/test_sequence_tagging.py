from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import AutoModelForTokenClassification, BertConfig, RobertaConfig, pipeline

from dianji.data.schemes import faults
from dianji.errors import CapabilityError, DataError
from dianji.registry import REGISTRY
from dianji.tasks._crf import crf_of
from dianji.tasks.base import ITEMS
from dianji.tasks.sequence_tagging import SequenceTagging
from dianji.techniques._head import targets_of
from dianji.testing import toys


def learnt(task, table, base, steps=40):
    """A model that knows the table by heart."""
    torch.manual_seed(0)
    model = task.model(base).model
    batch = task.collate(task.encode(table, base), base, np.random.default_rng(0), purpose="train")
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        task.loss(model, batch).value.backward()
        optimizer.step()
    return model.eval()


def answers(task, model, table, base):
    """(assembled outputs, examples)"""
    examples = task.encode(table, base)
    batch = task.collate(examples, base, np.random.default_rng(0), purpose="predict")
    return task.assemble(task.outputs(model, batch), examples), examples


@pytest.fixture(scope="module")
def of_texts():
    """A task with a model that was trained on texts and spans."""
    table, base = toys.spans_table(), toys.text_base()
    task = SequenceTagging().fit(table)
    return task, learnt(task, table, base), base


def test_learns_labels_scheme_and_what_it_reads():
    fitted = SequenceTagging().fit(toys.tokens_table())
    assert (fitted.labels, fitted.scheme, fitted.reads) == (toys.LABELS, "bio", "tokens")
    assert SequenceTagging(scheme="bioes").fit(toys.spans_table()).reads == "text"
    assert list(fitted.columns) == ["tokens", "text", "tags", "spans"]
    assert list(SequenceTagging(reads="text").columns) == ["text", "tokens", "spans", "tags"]


def test_labels_that_are_named_keep_their_order_and_no_other_is_learnt():
    labels = ("refund", "card", "cash")
    assert SequenceTagging(labels=labels).fit(toys.tokens_table()).labels == labels
    with pytest.raises(DataError, match="row 3: label 'refund' is not among the 2 labels"):
        SequenceTagging(labels=("card", "cash")).fit(toys.tokens_table())


def test_a_label_that_training_lacks_is_an_error():
    task = SequenceTagging().fit(toys.tokens_table())
    table = pa.table({"tokens": [["x"]], "tags": [["B-crad"]], "__source__": ["test.conll, line 5"]})
    with pytest.raises(DataError, match=r"test.conll, line 5: label 'crad' is not .* Did you mean 'card'"):
        task.encode(table, toys.text_base())


@pytest.mark.parametrize(
    ("tokens", "tags", "told"),
    [
        ([[], []], [[], []], "none of the 2 rows of the training split has a word"),
        ([["a"], ["b"]], [["O"], ["O"]], "none of the 2 rows of the training split has a span"),
    ],
)
def test_a_training_split_without_anything_to_learn_is_refused(tokens, tags, told):
    kind = pa.list_(pa.string())
    with pytest.raises(DataError, match=told):
        SequenceTagging().fit(pa.table({"tokens": pa.array(tokens, kind), "tags": pa.array(tags, kind)}))
    with pytest.raises(DataError, match="no rows"):
        SequenceTagging().fit(toys.tokens_table().slice(0, 0))


def test_predicts_whole_words_with_their_places_in_the_text(of_texts):
    task, model, base = of_texts
    texts = ["  where  is my card", "please help me with a refund", "my\tcash is late", ""]
    rows = pa.table({"text": texts})
    outputs, _ = answers(task, model, rows, base)
    found = task.predictions(outputs, rows, base)
    for text, prediction, word in zip(texts, found, ("card", "refund", "cash", None), strict=True):
        assert prediction.unit == "characters"
        assert [span.text for span in prediction.spans] == ([word] if word else [])
        for span in prediction.spans:
            assert text[span.start : span.end] == span.text
            assert 0 < span.probability <= 1
    everything = found[0].to_json(everything=True)
    assert everything["words"] == ["where", "is", "my", "card"]
    assert everything["tags"] == ["O", "O", "O", "B-card"]
    assert set(found[0].to_json()) == {"spans", "unit"}


def test_a_model_of_texts_reads_lists_of_words_too(of_texts):
    task, model, base = of_texts
    rows = pa.table({"tokens": [["where", "is", "my", "card"]]})
    (prediction,) = task.predictions(answers(task, model, rows, base)[0], rows, base)
    assert prediction.unit == "words"
    assert [(span.text, span.start, span.end) for span in prediction.spans] == [("card", 3, 4)]


def test_words_of_several_pieces_are_predicted_whole(toy):
    """Only the first piece of a word is asked, and the whole word is given."""
    table = pa.table(
        {
            "text": ["my cards please", "the card is lost", "paying cashed"],
            "spans": [
                [{"start": 3, "end": 8, "label": "thing"}],
                [{"start": 4, "end": 8, "label": "thing"}],
                [],
            ],
        }
    )
    base = toy(BertConfig)
    task = SequenceTagging().fit(table)
    examples = task.encode(table, base)
    assert examples["length"].to_pylist() == [6, 6, 6]
    assert examples["firsts"].to_pylist() == [[1, 2, 4], [1, 2, 3, 4], [1, 3]]
    model = learnt(task, table, base, steps=60)
    found = task.predictions(answers(task, model, table, base)[0], table, base)
    assert [[span.text for span in row.spans] for row in found] == [["cards"], ["card"], []]


def test_the_loss_is_of_first_pieces_alone(toy):
    base, table = toy(BertConfig), pa.table({"tokens": [["cards", "my"]], "tags": [["B-x", "O"]]})
    task = SequenceTagging().fit(table)
    batch = task.collate(task.encode(table, base), base, np.random.default_rng(0), purpose="train")
    assert batch[ITEMS].tolist() == [[False, True, False, True, False]]
    assert batch["labels"].tolist() == [[-100, 1, -100, 0, -100]]
    torch.manual_seed(0)
    model = task.model(base).model
    loss = task.loss(model, batch)
    logits = model(**task.model_inputs(batch)).logits[0, [1, 3]]
    torch.testing.assert_close(loss.value, torch.nn.functional.cross_entropy(logits, torch.tensor([1, 0])))
    assert loss.items == 2
    targets = targets_of(batch)
    assert targets is not None
    assert targets.tolist() == [1, 0]


def test_smoothing_is_that_of_torch():
    table, base = toys.tokens_table(), toys.text_base()
    torch.manual_seed(0)
    task = SequenceTagging(smoothing=0.2).fit(table)
    model = task.model(base).model
    batch = task.collate(task.encode(table, base), base, np.random.default_rng(0), purpose="train")
    logits, labels = model(**task.model_inputs(batch)).logits, batch["labels"]
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), label_smoothing=0.2)
    torch.testing.assert_close(task.loss(model, batch).value, expected)


def test_chinese_is_read_by_character(toy):
    table = pa.table({"text": ["我的银行卡丢了"], "spans": [[{"start": 2, "end": 5, "label": "thing"}]]})
    base = toy(BertConfig)
    task = SequenceTagging(crf=True).fit(table)
    examples = task.encode(table, base)
    assert examples["target"].to_pylist() == [[0, 0, 1, 2, 2, 0, 0]]
    model = learnt(task, table, base)
    (prediction,) = task.predictions(answers(task, model, table, base)[0], table, base)
    assert [(span.text, span.start, span.end) for span in prediction.spans] == [("银行卡", 2, 5)]


@pytest.mark.parametrize("crf", [False, True])
def test_nothing_of_a_long_text_is_lost(crf):
    """Windows of a model without positions beyond a window give each word once, in order."""
    words = [word for text in toys.text_table()["text"].to_pylist() for word in text.split()]
    table = pa.table({"text": [" ".join(words), "", "my card"]})
    base = toys.text_base()
    task = SequenceTagging(crf=crf, length=9, overlap=4).fit(toys.spans_table())
    model = learnt(task, toys.spans_table(), base)
    outputs, examples = answers(task, model, table, base)
    assert examples.num_rows > 20
    assert outputs["scores"].lengths.tolist() == [len(words), 0, 2]
    found = task.predictions(outputs, table, base)
    assert list(found[0].words) == words
    expected = [f"B-{word}" if word in toys.LABELS else "O" for word in words]
    assert np.mean([tag == truth for tag, truth in zip(found[0].tags, expected, strict=True)]) > 0.85
    assert [span.text for span in found[2].spans] == ["card"]


def test_predicted_tags_follow_their_scheme():
    """Whatever the scores say: nothing goes on that has not begun."""
    torch.manual_seed(3)
    for scheme in ("bio", "bioes"):
        task = SequenceTagging(scheme=scheme).fit(toys.tokens_table())
        model, base = task.model(toys.text_base()).model, toys.text_base()
        torch.nn.init.normal_(model.get_parameter("classifier.weight"), std=3)
        table = toys.tokens_table()
        for prediction in task.predictions(answers(task, model, table, base)[0], table, base):
            assert not list(faults(prediction.tags, scheme))


def test_parts_of_speech_are_a_span_per_word():
    table = pa.table({"tokens": [["my", "card", "card"]], "tags": [["PRON", "NOUN", "NOUN"]]})
    task, base = SequenceTagging().fit(table), toys.text_base()
    assert task.scheme == "plain"
    model = learnt(task, table, base)
    outputs, examples = answers(task, model, table, base)
    assert task.outcome(outputs, examples).given[0].tolist() == [[0, 1, 1], [1, 2, 0], [2, 3, 0]]


def test_transformers_says_the_same_through_its_own_door(tmp_path, of_texts):
    """The folder of a plain head opens as a token classifier, and its pipeline finds the same words."""
    task, model, base = of_texts
    model.save_pretrained(tmp_path)
    opened = AutoModelForTokenClassification.from_pretrained(tmp_path)
    through = pipeline(
        "token-classification", model=opened, tokenizer=base.processor, aggregation_strategy="first", device="cpu"
    )
    texts = toys.spans_table()["text"].to_pylist()
    rows = pa.table({"text": texts})
    ours = task.predictions(answers(task, model, rows, base)[0], rows, base)
    for text, prediction in zip(texts, ours, strict=True):
        theirs = [(group["entity_group"], group["start"], group["end"]) for group in through(text)]
        assert [(span.label, span.start, span.end) for span in prediction.spans] == theirs


def test_the_crf_learns_what_follows_what(of_texts):
    table = pa.table({"tokens": [["my", "my", "my"]], "tags": [["B-x", "I-x", "O"]]})
    task, base = SequenceTagging(crf=True).fit(table), toys.text_base()
    model = learnt(task, table, base)
    assert crf_of(model).transitions[1, 2] > crf_of(model).transitions[1, 1]
    (prediction,) = task.predictions(answers(task, model, table, base)[0], table, base)
    assert prediction.tags == ("B-x", "I-x", "O")


@pytest.mark.parametrize("technique", ["r-drop", "imprint"])
@pytest.mark.parametrize("crf", [False, True])
def test_goes_with_techniques_that_need_a_class_per_word(technique, crf):
    from dianji.techniques.base import Progress, Step

    table, base = toys.tokens_table(), toys.text_base()
    task = SequenceTagging(crf=crf).fit(table)
    torch.manual_seed(0)
    made = task.model(base)
    model = made.model.train()
    batch = task.collate(task.encode(table, base), base, np.random.default_rng(0), purpose="train")

    def over_rows(see):
        with torch.no_grad():
            task.loss(model, batch)
        see(batch)

    progress = Progress(model=model, seed=0, total_steps=1, head=made.head, over_rows=over_rows)
    listener = REGISTRY.build("technique", technique, {}).start(progress)
    before = float(task.loss(model.eval(), batch).value.detach())
    listener.begin(progress)
    model.train()
    step = Step(task, batch, lambda: task.loss(model, batch), lambda loss: loss.value.backward())
    changed = listener.loss(step, step.forward())
    listener.finish(progress)
    assert torch.isfinite(changed.value)
    if technique == "imprint":
        assert float(task.loss(model.eval(), batch).value.detach()) < before


def test_a_window_must_have_room_for_words():
    with pytest.raises(CapabilityError, match="length 2 does not fit"):
        SequenceTagging(length=2).fit(toys.tokens_table()).encode(toys.tokens_table(), toys.text_base())


def test_windows_are_as_long_as_the_positions_of_the_base(toy):
    """RoBERTa counts positions from its padding token on, so that one of 33 is never used."""
    base = toy(RobertaConfig)
    task = SequenceTagging().fit(toys.tokens_table())
    long = pa.table({"tokens": [["card"] * 60]})
    assert max(task.encode(long, base)["length"].to_pylist()) == 32


def test_the_outcome_of_baselines_is_decoded_as_that_of_the_model():
    table = toys.tokens_table()
    task = SequenceTagging().fit(table)
    scores = [np.full((len(words), 7), -9.0, dtype=np.float32) for words in table["tokens"].to_pylist()]
    for row in scores:
        row[:, 2] = 0  # I-card, which may not begin a span
        row[:, 1] = -0.1
    outcome = task.baseline_outcome(table, scores)
    assert outcome.given[0].tolist() == [[0, 4, 0]]
    assert replace(outcome).check() == []
