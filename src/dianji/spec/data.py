"""The section ``data`` of a recipe: where rows come from, and how they are read, cleaned and divided."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from dianji.errors import did_you_mean
from dianji.spec.section import Section, SelectionField

Fraction = Annotated[float, Field(gt=0.0, lt=1.0)]


class Split(Section):
    """Which rows train, validate and test. Given files win over fractions; every choice follows from the seed.

    A fraction is of the rows that are left after given files are taken out.
    """

    validation: Fraction | str | None = Field(
        default=None, description="fraction of the rows, or a file of its own; null: 0.1 unless given"
    )
    test: Fraction | str | None = Field(
        default=None, description="fraction of the rows, or a file of its own; null: 0.2 unless given"
    )
    stratify: str | None = Field(default=None, description="column whose values keep their shares in every split")
    group: str | None = Field(
        default=None,
        description="column whose values are never in two splits (a customer, a document); with time: groups in the "
        "order of their newest rows",
    )
    time: str | None = Field(default=None, description="column to order by: the oldest rows train, the newest test")
    within: str | None = Field(
        default=None,
        description="with time: column each of whose values (a user) gives its own newest rows to the test",
    )
    last: Annotated[int, Field(gt=0)] | None = Field(
        default=None,
        description="with within: so many of a value's newest rows test, and as many before them validate "
        "(1: leave one out); null: fractions",
    )
    folds: Annotated[int, Field(ge=2)] | None = Field(
        default=None, description="k-fold: the rows are divided into so many parts, one of which tests"
    )
    fold: Annotated[int, Field(gt=0)] | None = Field(
        default=None, description="with folds: the part that tests, from 1; null: the first"
    )
    transductive: str | list[str] | None = Field(
        default=None, description="column or columns (head, tail) all of whose values occur among the training rows"
    )

    @model_validator(mode="after")
    def _rows_left_to_train(self) -> Split:
        if isinstance(self.validation, float) and isinstance(self.test, float) and self.validation + self.test >= 1.0:
            raise ValueError(f"validation {self.validation} and test {self.test} together leave no rows to train on")
        return self

    @model_validator(mode="after")
    def _fit_together(self) -> Split:
        for key, *others in _NEEDED:
            if getattr(self, key) is not None and not any(getattr(self, other) is not None for other in others):
                raise ValueError(f"{key} has no meaning without {' or '.join(others)}")
        for key, *others in _APART:
            both = [other for other in others if getattr(self, key) is not None and getattr(self, other) is not None]
            if both:
                raise ValueError(f"give one of {key} and {both[0]}: they contradict each other")
        if self.folds is not None and self.fold is not None and self.fold > self.folds:
            raise ValueError(f"fold {self.fold} of {self.folds} folds; expected 1 to {self.folds}")
        if self.folds is not None and isinstance(self.validation, float) and self.validation + 1 / self.folds >= 1.0:
            raise ValueError(
                f"validation {self.validation} and one of {self.folds} folds together leave no rows to train on"
            )
        return self

    @property
    def known(self) -> tuple[str, ...]:
        """The columns of ``transductive``."""
        named = self.transductive or ()
        return (named,) if isinstance(named, str) else tuple(named)

    @model_serializer(mode="wrap")
    def _as_asked(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Newer keys are written only where they are set, so that older steps keep their digests."""
        return {key: value for key, value in plain(self).items() if value is not None or key in _FIRST}


#: Keys of ``Split`` that are always written.
_FIRST = ("validation", "test", "stratify", "group", "time")
#: A key, and those of which it needs one.
_NEEDED = (("within", "time"), ("last", "within"), ("fold", "folds"))
#: A key, and those that contradict it.
_APART = (
    ("time", "stratify"),
    ("within", "group"),
    ("last", "validation", "test"),
    ("folds", "test", "time"),
    ("transductive", "group", "time"),
)


class Clean(Section):
    """Rows to leave out; every removal is counted in the data report."""

    drop_duplicates: bool = False
    drop_empty: bool = False
    min_length: int | None = Field(default=None, ge=0, description="characters of the text column")
    max_length: int | None = Field(default=None, ge=1, description="characters of the text column")


def _readable(value: int | str | None) -> int | str | None:
    if isinstance(value, str) and not re.fullmatch(r"[1-9]\d* per label", value):
        raise ValueError(f"expected a number of rows, or text such as '10 per label', found {value!r:.60}")
    return value


LimitField = Annotated[Annotated[int, Field(gt=0)] | str | None, AfterValidator(_readable)]


#: Encodings that messages name; Python knows a hundred.
_ENCODINGS = (
    *("auto", "utf-8", "utf-16", "gb18030", "gbk", "big5", "euc-kr", "euc-jp", "shift_jis", "iso2022_jp", "latin-1"),
    *("windows-1250", "windows-1251", "windows-1252", "windows-1253", "windows-1254", "windows-1255", "windows-1256"),
    *("koi8-r", "cp437", "cp850", "cp866", "cp874", "mac-roman"),
)


def text_encoding(value: str) -> str:
    """The value, if it is ``auto`` or the name of a text encoding.

    Raises:
        ValueError: it is neither.
    """
    if value == "auto":
        return value
    try:
        "text".encode(value)  # refuses codecs that are no text encodings, such as base64
    except (LookupError, UnicodeError, ValueError):
        raise ValueError(
            f"expected auto, or a text encoding that Python knows, found {value!r:.60}. "
            f"{did_you_mean(value, _ENCODINGS)}"
        ) from None
    return value


EncodingField = Annotated[str, AfterValidator(text_encoding)]


#: Keys of ``Data`` that are written only where they are set.
_NEWER = ("names", "stream", "from_", "from", "select", "rows", "with_", "with")


class Data(Section):
    """The source of rows, and the meaning of their columns."""

    path: str | list[str] | None = Field(
        default=None, description="file, folder, glob, several of them, or a Hub id with format: hub"
    )
    from_: str | None = Field(
        default=None, alias="from", description="instead of path: an earlier stage, which makes the training rows"
    )
    select: SelectionField | None = Field(default=None, description="with from: how the stage makes the rows")
    rows: str | None = Field(default=None, description="with from: the data section of which it makes them")
    with_: str | None = Field(
        default=None,
        alias="with",
        description="with from: the data section whose training rows are added and whose validation and test are used; "
        "null: validation and test are those of rows, whose own training rows are not added",
    )
    format: str = Field(
        default="auto", description="a source such as csv, jsonl, parquet or images; auto: told by the file"
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="the source's own arguments, such as delimiter or query"
    )
    encoding: EncodingField = Field(
        default="auto", description="auto, or any text encoding that Python knows, such as gb18030 or shift_jis"
    )
    columns: dict[str, str | Annotated[list[str], Field(min_length=1)]] = Field(
        default_factory=dict,
        description="the task's name of a column -> its name in the data; several columns of 0 and 1 for labels",
    )
    split: Split = Field(default_factory=lambda: Split.model_construct())
    clean: Clean = Field(default_factory=lambda: Clean.model_construct())
    drop: list[str] = Field(default_factory=list, description="labels whose rows are left out")
    limit: LimitField = Field(default=None, description="rows of the training split to use: 1000, or '10 per label'")
    names: bool = Field(
        default=False, description="each label's name, in words, is one more training row of it; pays with few rows"
    )
    stream: bool = Field(
        default=False, description="for pre-training: rows go through memory a chunk at a time, however many there are"
    )
    strict: bool = Field(default=False, description="leakage (near-duplicates too) and conflicting labels are errors")

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)

    @model_validator(mode="after")
    def _of_one_kind(self) -> Data:
        derived = {"from": self.from_, "select": self.select, "rows": self.rows}
        if self.from_ is None:
            for key, value in {**derived, "with": self.with_}.items():
                if value is not None:
                    raise ValueError(f"{key} has no meaning without from")
            return self
        missing = [key for key, value in derived.items() if value is None]
        if missing:
            raise ValueError(f"rows that a stage makes need {' and '.join(missing)} beside from")
        own = {"from_", "select", "rows", "with_", "columns"}
        for name, info in type(self).model_fields.items():
            if name not in own and getattr(self, name) != info.get_default(call_default_factory=True):
                raise ValueError(f"{name} has no effect on rows that a stage makes. Write it under the section of rows")
        return self

    @property
    def evaluated(self) -> str | None:
        """Of rows that a stage makes: the section whose validation and test rows are used."""
        return None if self.from_ is None else self.with_ or self.rows

    @model_serializer(mode="wrap")
    def _as_asked(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Newer keys are written only where they are set, so that older steps keep their digests."""
        values: dict[str, Any] = plain(self)
        return {key: value for key, value in values.items() if value or key not in _NEWER}
