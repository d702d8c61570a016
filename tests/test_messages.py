"""Messages are values with a text in each language."""

import json
import re
import string
from types import SimpleNamespace
from typing import Any

import pytest

from dianji.messages import TEXTS, Message
from dianji.pipeline.compare import _notes

CHINESE = re.compile(r"[\u4e00-\u9fff]")


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("key", TEXTS)
def test_both_languages_use_the_same_arguments(key: str):
    english, chinese = TEXTS[key]
    assert fields(english) == fields(chinese)
    assert CHINESE.search(chinese)
    assert not CHINESE.search(english)


def test_plain_values_and_back():
    saving = Message("saving.trains-faster", {"trains": 2.0})
    figures = {"difference": -0.01, "low": -0.02, "high": 0.01}
    message = Message("recommendation.cheaper", {"variant": "a", "best": "b", **figures, "saving": saving})
    document = json.loads(json.dumps(message.to_json()))
    assert Message.parse(document) == message
    assert document["text"] == str(message)
    assert "and it trains 2.0× faster" in str(message)
    assert "并且训练速度是后者的 2.0 倍" in message.text("zh")


def test_braces_in_names_are_names():
    assert "'{a} %s'" in str(Message("comparison.one-finished", {"variant": "{a} %s"}))


@pytest.mark.parametrize("wrong", [("no.such-key", {}), ("comparison.one-finished", {})])
def test_a_wrong_message_fails_where_it_is_made(wrong: tuple[str, dict[str, Any]]):
    with pytest.raises(KeyError):
        Message(*wrong)


def notes(*, finished=("a", "b"), split="test", rows=400, seeds=(0, 1, 2), parent=None, parts=()) -> list[Message]:
    works = (SimpleNamespace(parent=parent),)
    variants = [SimpleNamespace(name="a", works=works)]
    planned: Any = SimpleNamespace(variants=variants, split=split, seeds=seeds, parts=parts)
    verdict: Any = SimpleNamespace(finished=[SimpleNamespace(name=n) for n in finished], rows=rows)
    return list(_notes(planned, verdict))


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"finished": ("b", "c")}, "first-failed"),
        ({"split": "validation"}, "no-test-rows"),
        ({"rows": 9}, "few-rows"),
        ({"finished": ("a",)}, "one-finished"),
        ({"seeds": (0,)}, "one-seed"),
        ({"seeds": (0, 1)}, "few-seeds"),
        ({"parent": object()}, "shared-stages"),
        ({"parts": ("intents", "moods")}, "part"),
    ],
)
def test_every_note_of_a_comparison(changes, key):
    usual = [note.key for note in notes()]
    assert usual == ["comparison.milliseconds"]
    (new,) = [note.key for note in notes(**changes) if note.key not in usual]
    assert new == f"comparison.{key}"


def test_figures_of_notes_are_in_both_languages():
    note = notes(rows=9)[0]
    assert "9 test rows: a paired test needs at least 30" in str(note)
    assert "test 只有 9 行：配对检验至少需要 30 行" in note.text("zh")
