from __future__ import annotations

import datetime as dt
import io
from typing import Any, ClassVar

import pytest

from dianji.data.columns.answers import Answers
from dianji.data.columns.id import Id
from dianji.data.columns.image import Image
from dianji.data.columns.label import Label
from dianji.data.columns.labels import Labels
from dianji.data.columns.messages import Messages
from dianji.data.columns.number import Number
from dianji.data.columns.spans import Spans
from dianji.data.columns.tags import Tags
from dianji.data.columns.text import Text
from dianji.data.columns.time import Time
from dianji.data.columns.tokens import Tokens
from dianji.data.columns.vector import Vector
from dianji.testing.column import ColumnKindContract


class TestText(ColumnKindContract):
    component = Text
    values = ("Where is my card?", "卡在哪里", "a\nb")
    unlike = ("a", "b", "a b", "ab", "ä")
    alike = (("A  b", "a b"), ("a\n", "A"))
    wrong = (1, 2)
    missing_is_fault = False


class TestLabel(ColumnKindContract):
    component = Label
    values = ("card", " loan ", "卡")
    unlike = ("a", "b", "A", "1", "1.0")
    wrong: ClassVar[Any] = (["a"], ["b"])


class TestLabels(ColumnKindContract):
    component = Labels
    values: ClassVar[Any] = (["a", "b"], ["c"])
    unlike: ClassVar[Any] = (["a"], ["b"], ["a", "b"], ["a|b"], [])
    alike: ClassVar[Any] = ((["a", "b"], ["b", "a"]), (["a", "a"], ["a"]))
    wrong = (dt.date(2026, 1, 1),)


def picture(colour):
    from PIL import Image as Pillow

    file = io.BytesIO()
    Pillow.new("RGB", (4, 4), colour).save(file, "PNG")
    return file.getvalue()


@pytest.mark.usefixtures("_pictures")
class TestImage(ColumnKindContract):
    component = Image
    damaged = (b"no image",)
    wrong = (1, 2)

    @pytest.fixture
    def _pictures(self):
        pytest.importorskip("PIL")

    @property
    def values(self):  # type: ignore[override]  # pictures are made by Pillow, which may be missing
        return (picture("red"), picture("blue"))

    @property
    def unlike(self):  # type: ignore[override]  # as above
        return (picture("red"), picture("blue"), picture("green"))


class TestNumber(ColumnKindContract):
    component = Number
    values = (1.5, -2.0, 3.0)
    unlike = (0.1, 0.2, 1e300, -0.1)
    damaged = (float("inf"),)
    wrong: ClassVar[Any] = ([1.0],)


class TestId(ColumnKindContract):
    component = Id
    values = ("HS0001", "HS0002")
    unlike = ("1", "01", "a")
    wrong = (1.5, 2.5)


class TestTime(ColumnKindContract):
    component = Time
    values = ("2026-03-31", "2026-03-31T18:00:00+02:00")
    unlike = ("2026-03-31", "2026-03-30", "2026-03-31T00:00:01")
    alike = (("2026-03-31T02:00:00+02:00", "2026-03-31"),)
    damaged = ("yesterday",)
    wrong: ClassVar[Any] = (["2026-03-31"],)


class TestTokens(ColumnKindContract):
    component = Tokens
    values: ClassVar[Any] = (["New", "York"], ["卡", "在"])
    unlike: ClassVar[Any] = (["a", "b"], ["b", "a"], ["a"])
    alike: ClassVar[Any] = ((["A", "b"], ["a", "B"]),)
    wrong = (1, 2)


class TestTags(ColumnKindContract):
    component = Tags
    values: ClassVar[Any] = (["B-PER", "I-PER", "O"], ["O"])
    unlike: ClassVar[Any] = (["O", "B-X"], ["B-X", "O"], ["O"])
    damaged: ClassVar[Any] = (["O", ""],)
    wrong = (1, 2)


class TestSpans(ColumnKindContract):
    component = Spans
    values: ClassVar[Any] = ([{"start": 0, "end": 5, "label": "PER"}], [{"start": 7, "end": 9, "label": "LOC"}])
    unlike: ClassVar[Any] = (
        [{"start": 0, "end": 5, "label": "PER"}],
        [{"start": 0, "end": 5, "label": "LOC"}],
        [{"start": 0, "end": 6, "label": "PER"}],
        [],
    )
    damaged: ClassVar[Any] = (
        [{"start": 5, "end": 5, "label": "PER"}],
        [{"start": -1, "end": 5, "label": "PER"}],
        [{"start": 0, "end": 5, "label": ""}],
    )
    wrong = (1, 2)


class TestAnswers(ColumnKindContract):
    component = Answers
    values: ClassVar[Any] = ([{"text": "Paris", "start": 4}], [{"text": "in 1911", "start": 0}])
    unlike: ClassVar[Any] = ([{"text": "a", "start": 0}], [{"text": "a", "start": 1}], [{"text": "b", "start": 0}], [])
    damaged: ClassVar[Any] = ([{"text": "", "start": 0}], [{"text": "a", "start": -1}])
    wrong = (1, 2)


class TestMessages(ColumnKindContract):
    component = Messages
    values: ClassVar[Any] = (
        [{"role": "user", "content": "Where is it?"}, {"role": "assistant", "content": "There."}],
        [{"role": "user", "content": "hello"}],
    )
    unlike: ClassVar[Any] = (
        [{"role": "user", "content": "a"}],
        [{"role": "system", "content": "a"}],
        [{"role": "user", "content": "b"}],
        [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
    )
    alike: ClassVar[Any] = (([{"role": "user", "content": "A b"}], [{"role": "user", "content": "a  b"}]),)
    damaged: ClassVar[Any] = (
        [{"role": None, "content": "a"}],
        [{"role": "clown", "content": "a"}],
        [{"role": "user", "content": "a"}, {"role": "assistant", "content": " "}],
        [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}],
    )
    wrong = (1, 2)


class TestVector(ColumnKindContract):
    component = Vector
    values: ClassVar[Any] = ([0.5, 1.0, -2.0], [0.0, 0.25, 4.0])
    unlike: ClassVar[Any] = ([0.0, 1.0], [1.0, 0.0], [0.5, 0.5])
    damaged: ClassVar[Any] = ([1.0, 2.0], [1.0, 2.0, float("nan")])
    wrong = (1, 2)
