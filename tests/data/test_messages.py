"""Conversations in the usual layouts, read from files; what is wrong is told with file and row."""

import json

import pytest

from dianji.data.columns import Column
from dianji.data.columns._turns import as_openai, order_fault, turn, turn_of
from dianji.data.read import rows
from dianji.errors import DataError
from dianji.spec.data import Data
from tests.data.helpers import everything, read, write_jsonl

CHAT = {"messages": Column("messages")}
TALK = [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "There."}]


def chats(path, records, **more):
    return [row["messages"] for row in everything(read(write_jsonl(path, records), CHAT, split={}, **more))]


def said(turns):
    return [(one["role"], one["content"]) for one in turns]


def test_messages_of_openai_with_tools(tmp_path):
    call = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"item": "card", "n": null}'}}
    talk = [
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "Where is "}, {"type": "text", "text": "it?"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "drawer"},
        {"role": "assistant", "content": "In the drawer.", "weight": 1},
    ]
    tools = [{"type": "function", "function": {"name": "find", "parameters": {"item": "string"}}}]
    records = [{"messages": talk, "tools": tools}, {"messages": TALK, "tools": None}] * 6
    columns = {"messages": ["messages", "tools"]}
    found = next(of for of in chats(tmp_path / "a.jsonl", records, columns=columns) if len(of) > 2)
    assert [one["role"] for one in found] == ["tools", "system", "user", "assistant", "tool", "assistant"]
    assert json.loads(found[0]["content"]) == tools
    assert found[2]["content"] == "Where is it?"
    assert json.loads(found[3]["tool_calls"]) == [
        {"name": "find", "arguments": {"item": "card", "n": None}, "id": "c1"}
    ]
    assert found[4]["tool_call_id"] == "c1"
    assert all(turn_of(as_openai(one)) == one for one in found)


def test_arguments_of_one_call_have_no_keys_of_others(tmp_path):
    def calling(arguments):
        call = {"function": {"name": "f", "arguments": arguments}}
        return [{"role": "user", "content": "go"}, {"role": "assistant", "content": None, "tool_calls": [call]}]

    records = [{"messages": calling({"a": 1})}, {"messages": calling({"b": {"c": 2}})}] * 4
    found = chats(tmp_path / "a.jsonl", records)
    assert {one[1]["tool_calls"] for one in found} == {
        '[{"name": "f", "arguments": {"a": 1}, "id": ""}]',
        '[{"name": "f", "arguments": {"b": {"c": 2}}, "id": ""}]',
    }


def test_conversations_of_sharegpt(tmp_path):
    talk = [
        {"from": "human", "value": "How warm?"},
        {"from": "function_call", "value": '{"name": "weather", "arguments": {"city": "Oslo"}}'},
        {"from": "observation", "value": '{"degrees": 3}'},
        {"from": "gpt", "value": "Cold."},
    ]
    records = [{"conversations": talk, "system": "Be kind.", "tools": '[{"name": "weather"}]'}] * 8
    columns = {"messages": ["conversations", "system", "tools"]}
    found = chats(tmp_path / "a.jsonl", records, columns=columns)[0]
    assert [one["role"] for one in found] == ["tools", "system", "user", "assistant", "tool", "assistant"]
    assert found[3]["content"] == ""
    assert json.loads(found[3]["tool_calls"])[0]["arguments"] == {"city": "Oslo"}


def test_columns_of_alpaca(tmp_path):
    records = [
        {"instruction": "Add.", "input": "1 2", "output": "3", "system": "", "history": []},
        {"instruction": "Say hi.", "input": "", "output": "hi", "system": "Be kind.", "history": [["yes?", "no"]]},
    ] * 4
    columns = {"messages": ["instruction", "input", "output", "system", "history"]}
    found = [said(turns) for turns in chats(tmp_path / "a.jsonl", records, columns=columns)]
    assert found[0] == [("user", "Add.\n1 2"), ("assistant", "3")]
    assert found[-1][1:] == [("user", "yes?"), ("assistant", "no"), ("user", "Say hi."), ("assistant", "hi")]
    assert found[-1][0] == ("system", "Be kind.")


def test_rows_to_be_answered_need_no_answers(tmp_path):
    spec = Data(path="train.jsonl", columns={"messages": ["instruction", "input", "output"]})
    path = write_jsonl(tmp_path / "new.jsonl", [{"instruction": "Add."}, {"instruction": "Go."}])
    table = rows(path, CHAT, spec=spec)
    assert [said(turns) for turns in table["messages"].to_pylist()] == [[("user", "Add.")], [("user", "Go.")]]
    with pytest.raises(DataError, match="'instruction' and 'input' and 'output'"):
        rows(write_jsonl(tmp_path / "other.jsonl", [{"output": "x"}]), CHAT, spec=spec)


@pytest.mark.parametrize(
    ("talk", "told"),
    [
        ([{"role": "asistant", "content": "a"}], "unknown role 'asistant'.*Did you mean 'assistant'"),
        ([TALK[0], TALK[0]], "turn 2 is out of order: expected assistant after 'user', found 'user'"),
        ([TALK[1]], "turn 1 is out of order: expected tools or system or user after the beginning"),
        ([*TALK, TALK[1]], "turn 3 is out of order: expected user after 'assistant'"),
        ([*TALK, {"role": "tool", "content": "x"}], "turn 3 is out of order"),
        ([*TALK, {"role": "system", "content": "x"}], "turn 3 is out of order"),
        ([TALK[0], {"role": "assistant", "content": "  "}], "item 2: the answer is empty"),
        ([TALK[0], {"role": "assistant", "content": None}], "item 2: the answer is empty"),
        ([{"role": "user", "content": ""}], "the turn of 'user' is empty"),
        ([{"role": "user", "content": 3}], "expected a text as content, found int"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "parts of the types image_url"),
        ([{"role": "user", "content": "a", "tool_calls": [{"name": "f"}]}], "tool calls belong to the assistant"),
        ([TALK[0], {"from": "function_call", "value": "f("}], "expected a tool call as JSON"),
        ([TALK[0], {"from": "function_call", "value": "{}"}], "expected a tool call with a name"),
        ([TALK[0], {"from": "function_call", "value": '{"name": "f", "arguments": [1]}'}], "object as the arguments"),
        ([{**TALK[0], "weight": 2}], "weight of 0 or 1"),
        ([{**TALK[0], "name": 2}], "a text as name"),
        ([{"role": "tools", "content": "x"}], "a list of functions as JSON"),
        ([{"role": "tools", "content": ""}], "a list of functions in a turn"),
        (["a"], r"expected \{role, content\}"),
        ({"role": "user"}, "holds dict where a list of messages is expected"),
    ],
)
def test_faults_name_file_and_row(tmp_path, talk, told):
    records = [{"messages": TALK}] * 7 + [{"messages": talk}]
    with pytest.raises(DataError, match=rf"bad\.jsonl, line 8: column 'messages'.*{told}"):
        chats(tmp_path / "bad.jsonl", records)


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"instruction": "", "output": "a"}, "the instruction is empty"),
        ({"instruction": "a", "output": " "}, "the answer is empty"),
        ({"instruction": "a"}, "the answer is empty"),
        ({"instruction": "a", "output": "b", "history": "x"}, "history as a JSON list"),
        ({"instruction": "a", "output": "b", "history": '[["q"]]'}, r"history as a list of \[question, answer\]"),
        ({"instruction": "a", "output": "b", "tools": "[3]"}, "a list of functions, each with a name"),
    ],
)
def test_faults_of_instructions_name_file_and_row(tmp_path, record, told):
    records = [{"instruction": "a", "output": "b", "history": "", "tools": ""}] * 7 + [record]
    columns = {"messages": ["instruction", "output", "history", "tools"]}
    with pytest.raises(DataError, match=rf"bad\.jsonl, line 8: .*{told}"):
        chats(tmp_path / "bad.jsonl", records, columns=columns)


@pytest.mark.parametrize("names", [["instruction", "label"], ["input", "output"], ["messages", "instruction"]])
def test_columns_that_are_no_conversation_together_are_refused(tmp_path, names):
    record = {"messages": TALK, "instruction": "a", "input": "", "output": "b", "label": "c"}
    with pytest.raises(DataError, match=r"instead of \["):
        chats(tmp_path / "a.jsonl", [record] * 8, columns={"messages": names})


def test_keys_that_are_not_read_are_told(tmp_path):
    talk = [{**TALK[0], "timestamp": "noon", "refusal": None}, TALK[1]]
    found = read(write_jsonl(tmp_path / "a.jsonl", [{"messages": talk}] * 8), CHAT, split={})
    assert any("keys that are not read: timestamp" in warning for warning in found.warnings)


def test_the_order_of_turns_with_tools():
    call = turn("assistant", "", tool_calls='[{"name": "f", "arguments": {}, "id": ""}]')
    result = turn("tool", "x")
    assert order_fault([turn("user", "a"), call, result, result, turn("assistant", "b")]) is None
    assert "a tool call of the assistant" in str(order_fault([turn("user", "a"), call, turn("user", "b")]))
