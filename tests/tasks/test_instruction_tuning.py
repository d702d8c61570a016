"""Instruction tuning: what is learnt, what is cut, what is refused, and answers as they are written."""

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from dianji.bases.folder import FolderBase
from dianji.data.columns._turns import TURN, turn
from dianji.data.findings import Findings
from dianji.errors import CapabilityError, DataError
from dianji.evaluate.conversed import Conversed
from dianji.evaluate.modelled import Modelled
from dianji.tasks._chat_template import DEFAULT
from dianji.tasks.instruction_tuning import InstructionTuning
from dianji.tasks.truncation import truncation
from dianji.testing import families, toys


def table(*rows):
    return pa.table({"messages": pa.array(list(rows), pa.list_(TURN))})


def talk(*texts):
    return [turn(("user", "assistant")[place % 2], text) for place, text in enumerate(texts)]


def batch_of(task, rows, base, purpose="train"):
    return task.collate(task.encode(rows, base), base, np.random.default_rng(0), purpose=purpose)


@pytest.fixture
def base():
    return toys.decoder_base()


@pytest.mark.parametrize("pads", [True, False])
def test_the_end_token_is_learnt_although_it_pads(pads):
    base = families.gpt2()
    base.processor.pad_token = base.processor.eos_token if pads else "a"
    end = base.processor.eos_token_id
    rows = table(talk("a", "b"), talk("a", "bcd"))
    task = InstructionTuning(new_tokens=4).fit(rows)
    labels = batch_of(task, rows, base)["labels"]
    assert [row[row >= 0].tolist()[-1] for row in labels] == [end, end]
    assert [int((row == end).sum()) for row in labels] == [1, 1], "padding is not learnt"
    assert end in task.model(base).model.generation_config.eos_token_id


def test_only_answers_are_learnt(base):
    rows = table(talk("where is my card", "card", "my cash", "cash today"))
    task = InstructionTuning(new_tokens=4).fit(rows)
    batch = batch_of(task, rows, base)
    learnt = [token for token in batch["labels"][0].tolist() if token >= 0]
    assert base.processor.convert_ids_to_tokens(learnt) == ["card", "[SEP]", "cash", "today", "[SEP]"]
    assert batch["turn"][0][batch["labels"][0] >= 0].tolist() == [1, 1, 2, 2, 2]
    last = replace(task, answers="last")
    learnt = [token for token in batch_of(last, rows, base)["labels"][0].tolist() if token >= 0]
    assert base.processor.convert_ids_to_tokens(learnt) == ["cash", "today", "[SEP]"]


def test_the_loss_is_that_of_the_answers_alone(base):
    rows = table(talk("where is my card", "card"), talk("my cash", "cash today"))
    task = InstructionTuning(new_tokens=4).fit(rows)
    torch.manual_seed(0)
    model = task.model(base).model
    examples, total, count = task.encode(rows, base), 0.0, 0
    for ids, answers in zip(examples["input_ids"].to_pylist(), examples["answers"].to_pylist(), strict=True):
        logits = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(dim=-1)
        for place, (token, answer) in enumerate(zip(ids, answers, strict=True)):
            if answer:
                total, count = total - logits[place - 1, token].item(), count + 1
    found = task.loss(model, batch_of(task, rows, base))
    assert found.items == count == 5
    assert found.value.item() == pytest.approx(total / count, abs=1e-5)


def test_no_token_of_an_answer_is_an_error(base):
    task = InstructionTuning(new_tokens=4).fit(toys.messages_table())
    batch = batch_of(task, table([turn("user", "card")]), base)
    with pytest.raises(DataError, match="no token of an answer"):
        task.loss(task.model(base).model, batch)


@pytest.mark.parametrize(
    ("turns", "told"),
    [
        ([turn("user", "a")], "no turn of the assistant"),
        ([*talk("a", "b"), turn("user", "c")], "ends with a turn of the role 'user'"),
        ([turn("user", "a"), turn("assistant", "b", weight=0)], "has the weight 0"),
        ([], "no turn of the assistant"),
    ],
)
def test_rows_without_something_to_learn_are_faults(turns, told):
    rows = table(talk("a", "b"), turns).append_column(
        "__source__", pa.array(["chat.jsonl, line 1", "chat.jsonl, line 2"])
    )
    findings = Findings()
    InstructionTuning().check(rows, findings)
    assert len(findings.faults) == 1
    assert findings.faults[0].startswith("chat.jsonl, line 2: ")
    assert told in findings.faults[0]
    with pytest.raises(DataError, match=told):
        InstructionTuning().fit(rows)


def test_rows_that_are_cut_are_counted_and_keep_an_answer(base):
    long = talk(*(["where is my card please"] * 9), "card")
    rows = table(talk("my card", "cash"), long)
    examples = InstructionTuning(new_tokens=4, length=16).fit(rows).encode(rows, base)
    assert truncation(examples).rows == 1
    assert max(examples["length"].to_pylist()) <= 16
    assert all(any(answers) for answers in examples["answers"].to_pylist())
    assert max(map(len, examples["prompt"].to_pylist())) <= 28


def test_a_template_that_fails_names_the_row(base):
    base.processor.chat_template = "{{ raise_exception('roles must alternate') }}"
    rows = toys.messages_table()
    with pytest.raises(DataError, match=r"row 1: the chat template fails \(roles must alternate\)"):
        InstructionTuning(new_tokens=4).fit(rows).encode(rows, base)
    with pytest.raises(CapabilityError, match="a question and its answer cannot be written"):
        InstructionTuning(new_tokens=4).fit(rows).model(base)
    base.processor.chat_template = None


def test_room_for_a_prompt_is_needed(base):
    with pytest.raises(CapabilityError, match="there is no room for a prompt before 32 new ones"):
        InstructionTuning(new_tokens=32).fit(toys.messages_table()).model(base)


def test_an_answer_is_as_long_as_those_of_training(base):
    task = InstructionTuning().fit(table(talk("a", "b" * 7)))
    assert task.longest == 7
    assert task._limit(base) == 8
    assert replace(task, longest=5000)._limit(base) == 16, "half of what the base takes"


def test_the_template_is_saved_with_the_tokenizer(tmp_path):
    base = toys.decoder_base()
    task = InstructionTuning(new_tokens=4).fit(toys.messages_table())
    torch.manual_seed(0)
    task.model(base).model.save_pretrained(tmp_path)
    base.save_processor(tmp_path)
    base.processor.chat_template = None
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    assert theirs.chat_template == DEFAULT
    question = [{"role": "user", "content": "where is my card"}]
    ids = theirs.apply_chat_template(question, add_generation_prompt=True, return_dict=False)
    saved = FolderBase(tmp_path).prepare(toys.messages_table())
    rows = table([turn("user", "where is my card")])
    assert task.encode(rows, saved)["prompt"].to_pylist() == [ids]
    # What transformers writes from the folder alone is what Dianji writes.
    model: Any = AutoModelForCausalLM.from_pretrained(tmp_path)
    found = model.generate(torch.tensor([ids]), max_new_tokens=4, do_sample=False)[0, len(ids) :]
    own = task.model(saved).model
    written = task.outputs(own, batch_of(task, rows, saved, "predict"))["written"][0]
    assert written[written >= 0].tolist() == [token for token in found.tolist() if token != 3][: (written >= 0).sum()]


def test_outcomes_of_epochs_and_of_the_end(base):
    rows = toys.messages_table()
    task = InstructionTuning(new_tokens=4).fit(rows)
    torch.manual_seed(0)
    model = task.model(base).model
    examples = task.encode(rows, base)
    assert isinstance(task.outcome(task.outputs(model, batch_of(task, rows, base, "score")), examples), Modelled)
    outputs = task.decode(task.outputs(model, batch_of(task, rows, base, "predict")), base)
    outcome = task.outcome(outputs, examples)
    assert isinstance(outcome, Conversed)
    assert outcome.texts[1] == [turns[-1]["content"] for turns in rows["messages"].to_pylist()]
    assert outcome.turns().tolist() == [2 if row % 3 == 0 else 1 for row in range(24)]
    waiting = task.encode(table(talk("a", "b"), [turn("user", "a")]), base)
    with pytest.raises(DataError, match="row 2: the conversation does not end with an answer"):
        task.outcome({"text": ["b", "b"]}, waiting)


def test_an_answer_does_not_depend_on_its_reference(base):
    task = InstructionTuning(new_tokens=4).fit(toys.messages_table())
    torch.manual_seed(0)
    model = task.model(base).model
    rows = toys.messages_table()
    asked = table(*(turns[:-1] for turns in rows["messages"].to_pylist()))
    with_, without = (task.outputs(model, batch_of(task, of, base, "predict"))["written"] for of in (rows, asked))
    assert np.array_equal(with_, without)


@pytest.mark.parametrize("options", [{}, {"temperature": 0.9}, {"stop": ("card",)}])
@pytest.mark.parametrize("make", [toys.decoder_base, families.gpt2])
def test_pieces_of_a_reply_are_the_answer(options, make):
    base = make()
    task = InstructionTuning(new_tokens=8, **options).fit(toys.messages_table())
    torch.manual_seed(4)
    model = task.model(base).model
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4)
    rows = toys.messages_table()
    asked = [turns[:-1] for turns in rows["messages"].to_pylist()][:6]
    outputs = task.outputs(model, batch_of(task, table(*asked), base, "predict"))
    expected = [prediction.generated for prediction in task.predictions(outputs, rows, base)]
    with torch.inference_mode():
        assert ["".join(task.reply(model, base, turns)) for turns in asked] == expected


def test_it_learns_to_answer_and_to_stop(base):
    rows = toys.messages_table()
    task = InstructionTuning(new_tokens=6, packing=True).fit(rows)
    torch.manual_seed(0)
    model = task.model(base).model
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    batch = batch_of(task, rows, base)
    for _ in range(150):
        loss = task.loss(model, batch).value
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    examples = task.encode(rows, base)
    outputs = task.outputs(model, batch_of(task, rows, base, "predict"))
    outcome = task.outcome(task.decode(outputs, base), examples)
    assert isinstance(outcome, Conversed)
    assert outcome.exact().mean() > 0.7
    assert all(prediction.complete for prediction in task.predictions(outputs, rows, base))
