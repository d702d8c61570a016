"""Question answering: windows lose nothing, offsets are those of the context, and no answer is an answer."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch

from dianji.engine.evaluation import Evaluator
from dianji.errors import CapabilityError, DataError
from dianji.evaluate.answered import Answered
from dianji.tasks.question_answering import QuestionAnswering
from dianji.testing import toys

RNG = np.random.default_rng(0)
TEXT = "where is my card i lost the cash today please help me with a refund my card is late again"
WORDS = TEXT.split()


def asked(question, context, *answers):
    schema = toys.question_table().schema
    found = [{"text": text, "start": start} for text, start in answers]
    return pa.Table.from_pylist([{"question": question, "context": context, "answers": found}], schema)


def spans(examples):
    """The characters that the windows of one row cover."""
    covered: set[int] = set()
    for starts, ends in zip(examples["starts"].to_pylist(), examples["ends"].to_pylist(), strict=True):
        for start, end in zip(starts, ends, strict=True):
            if start >= 0:
                covered |= set(range(start, end))
    return covered


def test_windows_cover_the_whole_context():
    context = " ".join(WORDS * 3)
    table = asked("where is my card", context, ("today", context.rindex("today")))
    task = QuestionAnswering(length=14, stride=3, question_length=5).fit(table)
    examples = task.encode(table, toys.text_base())
    assert examples.num_rows > 5
    assert max(examples["length"].to_pylist()) <= 14
    assert spans(examples) == {place for place, character in enumerate(context) if character != " "}
    assert set(examples["row"].to_pylist()) == {0}


def test_targets_are_the_tokens_of_the_answer_or_the_first_token():
    context = " ".join(WORDS)
    table = asked("my card", context, ("help me", context.index("help me")))
    examples = QuestionAnswering(length=12, stride=2, question_length=4).fit(table).encode(table, toys.text_base())
    hits = 0
    for row in examples.to_pylist():
        if row["start"]:
            hits += 1
            assert context[row["starts"][row["start"]] : row["ends"][row["end"]]] == "help me"
        else:
            assert row["end"] == 0
    assert hits >= 1


def test_a_place_that_is_not_given_or_wrong_is_looked_for_and_a_missing_answer_is_refused():
    task, base = QuestionAnswering(), toys.text_base()
    for start in (None, 2):
        table = asked("my card", "where is my card", ("card", start))
        row = task.fit(table).encode(table, base).to_pylist()[0]
        assert row["starts"][row["start"]] == 12
    table = asked("my card", "where is my card", ("refund", 0))
    with pytest.raises(DataError, match=r"row 1: the answer 'refund' does not stand in the context.*not bytes"):
        task.encode(table, base)


def test_an_empty_context_has_no_answer():
    table = pa.concat_tables([asked("my card", ""), asked("my card", "where is my card", ("card", 12))])
    task, base = QuestionAnswering().fit(table), toys.text_base()
    torch.manual_seed(0)
    model = task.model(base).model
    inputs = table.drop_columns(["answers"])
    outputs = Evaluator(task, model, base, 0).outputs(task.encode(inputs, base))
    empty, other = task.predictions(outputs, inputs, base)
    assert empty.to_json() == {"answer": "", "start": 0, "end": 0}
    assert other.answer in "where is my card"
    assert other.to_json(everything=True)["candidates"][0]["answer"] == other.answer


def test_the_best_passage_is_found_as_by_trying_all():
    table = toys.question_table()
    task, base = QuestionAnswering(answer_length=3, candidates=4).fit(table), toys.text_base()
    torch.manual_seed(1)
    model = task.model(base).model
    examples = task.encode(table, base)
    batch = task.collate(examples, base, RNG, purpose="predict")
    outputs = task.outputs(model, batch)
    with torch.inference_mode():
        said = model(**task.model_inputs(batch))
    for row in range(5):
        starts, ends = batch["starts"][row].tolist(), batch["ends"][row].tolist()
        tried = sorted(
            (
                (float(said.start_logits[row, i] + said.end_logits[row, j]), starts[i], ends[j])
                for i in range(len(starts))
                for j in range(i, min(i + 3, len(starts)))
                if starts[i] >= 0 and starts[j] >= 0
            ),
            reverse=True,
        )[:4]
        assert outputs["start"][row].tolist() == [start for _, start, _ in tried]
        assert outputs["end"][row].tolist() == [end for _, _, end in tried]
        np.testing.assert_allclose(outputs["score"][row], [score for score, _, _ in tried], rtol=1e-5)


def test_no_answer_must_hold_in_every_window():
    task = QuestionAnswering(candidates=1)
    outputs = {
        "none": np.array([3.0, 1.0, 2.0], np.float32),
        "score": np.array([[0.0], [4.0], [5.0]], np.float32),
        "start": np.array([[0], [7], [2]]),
        "end": np.array([[1], [9], [3]]),
        "start_margin": np.ones((3, 1), np.float32),
        "end_margin": np.ones((3, 1), np.float32),
    }
    rows = task.assemble(outputs, pa.table({"row": [0, 0, 1]}))
    assert rows["none"].tolist() == [1.0, 2.0]
    assert rows["start"].tolist() == [[7], [2]]


def test_the_threshold_is_chosen_where_questions_have_no_answer():
    table = toys.question_table()
    fitted = QuestionAnswering().fit(table)
    assert fitted.unanswerable
    ragged = toys.outcome(Answered, 0.9)
    assert fitted.calibrated(ragged).threshold == pytest.approx(ragged.best_threshold())
    answered = table.filter(pa.array([bool(row) for row in table["answers"].to_pylist()]))
    assert QuestionAnswering().fit(answered).calibrated(ragged).threshold is None


def test_windows_without_room_are_refused():
    table = toys.question_table()
    with pytest.raises(CapabilityError, match=r"leave 1 for the context.*and 4 of them overlap"):
        QuestionAnswering(length=12, stride=4, question_length=8).fit(table).encode(table, toys.text_base())


def test_without_answers_nothing_is_learnt():
    with pytest.raises(DataError, match="has no answer in any row"):
        QuestionAnswering().fit(asked("my card", "where is my card"))
