"""A first look at data that nobody has described yet: what its columns hold, and which ones a recipe would name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dianji.data.arrow_types import is_list, is_string
from dianji.data.columns import Cells, Column
from dianji.data.columns._instructions import role_of
from dianji.data.columns.base import column_kind
from dianji.data.decode import decode
from dianji.data.findings import Findings
from dianji.data.inspected import OTHER, Inspected, described, indicating, inspected
from dianji.data.language import detect
from dianji.data.line import Flow, Request
from dianji.data.locate import locate
from dianji.data.quality.alike import told_alike
from dianji.data.recognise import recognise
from dianji.data.select import names_of, select
from dianji.data.source import SPLIT
from dianji.data.sources.parallel import is_language
from dianji.errors import RecipeError, did_you_mean
from dianji.spec.data import Data

#: From this share of rows whose value comes more than once, a column with a telling name holds labels.
_REPEATED = 0.5
_NAME = 40  # characters that most names of classes do not exceed
#: Kinds that the values of a column of labels may look like.
_MISTAKEN = frozenset({"label", "text", "number", "id", "time"})
#: Columns of which several rows belong together.
_OWNERS = re.compile(r"customer|user|client|patient|author|speaker|session|account|客户|用户", re.IGNORECASE)
#: Names of columns of questions, of the texts that answer them, and of the subject that several questions share.
_QUESTIONS = re.compile(r"questions?|query|问题", re.IGNORECASE)
_CONTEXTS = re.compile(r"context|passage|paragraph|document|article|text|正文|段落|文章|原文", re.IGNORECASE)
_SUBJECTS = re.compile(r"title|article|document|标题|文章", re.IGNORECASE)
#: Names of two columns of texts with a score, names of scores, and names of texts that have a partner (``positive``).
_SCORED = (("sentence1", "sentence2"), ("sentence_1", "sentence_2"), ("text1", "text2"), ("text_a", "text_b"))
_SCORES = ("score", "similarity", "similarity_score", "relatedness_score")
#: Names of two columns of texts whose relation a label tells.
_COMPARED = (
    *_SCORED,
    ("sentence_a", "sentence_b"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("question", "passage"),
    ("text", "other"),
    ("text", "text_pair"),
    ("前提", "假设"),
    ("句子1", "句子2"),
)
#: Names of columns of numbers that may be learnt from texts.
_MEASURED = re.compile(r"score|rating|similarity|grade|stars|评分|分数|^(label|labels|target|y)$", re.IGNORECASE)
_ANCHORS = ("anchor", "query", "question", "text", "sentence")
#: Names of columns of texts and of their counterparts.
_PAIRS = (
    ("src", "tgt"),
    ("source", "target"),
    ("text", "target"),
    ("input", "output"),
    ("document", "summary"),
    ("article", "summary"),
    ("article", "highlights"),
    ("text", "summary"),
    ("原文", "译文"),
    ("正文", "摘要"),
)


@dataclass(frozen=True)
class Inspection:
    """What ``dianji init`` writes its recipe from. A role for which no column fits is None."""

    path: str
    format: str
    encoding: str | None
    rows: int
    columns: tuple[Inspected, ...]
    #: Codes with their share of the texts, the largest first.
    languages: tuple[tuple[str, float], ...]
    #: Split -> rows, where the data comes divided.
    splits: Mapping[str, int]
    text: str | None = None
    #: Words, with a tag for each of them in ``tags``.
    tokens: str | None = None
    tags: str | None = None
    #: Passages of ``text`` with a name each.
    spans: str | None = None
    #: Texts that a model may learn to write when it reads ``text``.
    target: str | None = None
    #: Questions with their answers, which are passages of ``text``.
    question: str | None = None
    answers: str | None = None
    #: The second text of each row, whose relation to ``text`` is told by ``label``.
    other: str | None = None
    #: A number that is learnt from ``text``.
    number: str | None = None
    #: What ``sentence-embedding`` calls a column of related texts -> what the data calls it.
    related: Mapping[str, str] = field(default_factory=dict)
    #: Columns that together are conversations: a list of messages, or an instruction with its output.
    messages: tuple[str, ...] = ()
    image: str | None = None
    label: str | None = None
    group: str | None = None
    time: str | None = None
    warnings: tuple[str, ...] = field(default=())

    def column(self, name: str) -> Inspected:
        """The column of that name."""
        return next(column for column in self.columns if column.name == name)

    def parts(self, name: str) -> tuple[str, ...]:
        """The data's columns that together are the column of that name; none where it is one of them."""
        return next((column.parts for column in self.columns if column.name == name), ())

    def fit(self, columns: Mapping[str, Column]) -> dict[str, str] | None:
        """What a task calls a column -> what the data calls it; None where a column that the task needs is absent.

        A data column of the task's own name comes first, then one with a name that the kind often has, then the one
        whose values the kind describes best. Kinds that describe fewer columns choose first.
        """
        taken: dict[str, str] = {}
        fitting = {name: self._fitting(name, column) for name, column in columns.items()}
        for name in sorted(columns, key=lambda name: len(fitting[name])):
            free = [found for found in fitting[name] if found not in taken.values()]
            if free:
                taken[name] = free[0]
            elif not columns[name].optional:
                return None
        return {name: taken[name] for name in columns if name in taken}

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def _fitting(self, name: str, column: Column) -> list[str]:
        """Data columns that may stand for a task's column, the best first."""
        kind = column.of
        found = {seen.name: seen.scores.get(column.kind, 0.0) for seen in self.columns if column.kind in seen.scores}
        return sorted(found, key=lambda seen: (seen != name, not kind.telling.search(seen), -found[seen]))


_ROLES = {
    "text": "text",
    "tokens": "tokens",
    "tags": "tags",
    "spans": "spans",
    "target": "target",
    "question": "question",
    "context": "text",
    "answers": "answers",
    "other": "other",
    "score": "number",
    "image": "image",
    "label": "label",
    "labels": "label",
    "group": "group",
    "time": "time",
}


def taken_as(seen: Inspection, columns: Mapping[str, str]) -> Inspection:
    """The same data with columns taken as the caller says: role (text, target, tags, label, group, …) -> name.

    Raises:
        RecipeError: one is none of these, or there is no such column.
    """
    faults, names = [], [column.name for column in seen.columns]
    for role, name in columns.items():
        if role not in _ROLES:
            faults.append(f"--column {role}: expected one of {', '.join(_ROLES)}. {did_you_mean(role, _ROLES)}")
        elif name not in names:
            faults.append(f"--column {role}={name}: {seen.path} has no such column. {did_you_mean(name, names)}")
    if faults:
        raise RecipeError(*faults)
    roles = {_ROLES[role]: name for role, name in columns.items()}
    # A column has one role: what it was guessed to be gives way to what is said.
    guessed: dict[str, Any] = {role: None for role in set(_ROLES.values()) if getattr(seen, role) in roles.values()}
    if "text" in roles and "image" not in roles:
        guessed["image"] = None  # one of the two is read
    learnt = ("target", "label", "number")  # one of which is learnt
    if any(role in roles for role in learnt):
        guessed |= {role: None for role in learnt if role not in roles}
    if roles:
        guessed |= {"related": {}, "messages": ()}  # which go by names alone
    changes: dict[str, Any] = {**guessed, **roles}
    return replace(seen, **changes)


def inspect(path: str | Sequence[str]) -> Inspection:
    """Read everything, and say what it looks like.

    Raises:
        DataError: what is wrong with the files.
    """
    return look_at(decoded_of(path), path if isinstance(path, str) else ", ".join(path))


def decoded_of(path: str | Sequence[str]) -> Flow:
    """Every row with every column of undescribed data.

    Raises:
        DataError: what is wrong with the files.
    """
    return decode(recognise(locate(Request(Data(path=path if isinstance(path, str) else list(path))))))


def look_at(decoded: Flow, path: str) -> Inspection:
    """What decoded rows look like.

    Raises:
        DataError: what is wrong with the files.
    """
    table = select(replace(decoded, request=replace(decoded.request, columns=None))).whole.table
    columns = _with_words(tuple(inspected(table[name], name) for name in names_of(table)), table)
    questions = _questions(columns)
    messages = _messages(columns) if questions is None else ()
    related = _related(columns) if questions is None and not messages else {}
    unlabelled = questions is not None or bool(related) or bool(messages)
    label, refused = (None, {}) if unlabelled else _label(columns, table)
    several = None if unlabelled else indicating(columns, table)
    if several is not None and (label is None or (label.name in several.parts and not _telling(label.name))):
        label, columns = several, (*columns, several)
    columns = tuple(label if label is not None and column.name == label.name else column for column in columns)
    free = [column for column in columns if label is None or column.name not in (label.name, *label.parts)]
    tokens, tags, spans = (_best(free, kind, lambda of: of.scores[of.kind]) for kind in ("tokens", "tags", "spans"))
    text = _best(free, "text", lambda column: column.characters.get("mean", 0.0))
    pair = _pair(free) if label is None and not unlabelled else None
    text, target = pair or (questions.context if questions is not None else related.get("text", text), None)
    text, other = (_named(free, _COMPARED, "text") if label is not None else None) or (text, None)
    annotated = unlabelled or (tokens is not None and tags is not None) or spans is not None
    number = _number(free) if label is None and pair is None and not annotated else None
    warnings = [*decoded.findings.warnings, *(told for name, told in refused.items() if name not in (text, target))]
    warnings += told_alike(label.counts) if label is not None else []
    warnings += _beside(columns, messages)
    return Inspection(
        path=path,
        format=decoded.readings[0].format,
        encoding=next(iter(decoded.findings.encodings.values()), None),
        rows=table.num_rows,
        columns=columns,
        languages=_languages(
            table, *((_last_of(columns, messages), "messages") if messages else (text or tokens, "text"))
        ),
        splits=_split_counts(table),
        text=text,
        tokens=tokens if tags else None,
        tags=tags if tokens else None,
        spans=spans if text else None,
        target=target,
        question=questions.question if questions is not None else None,
        answers=questions.answers if questions is not None else None,
        other=other,
        number=number,
        related=related,
        messages=messages,
        image=next((column.name for column in columns if column.kind == "image"), None),
        label=label.name if label is not None else None,
        group=questions.subject if questions is not None else _group(free),
        time=_time(free),
        warnings=tuple(warnings),
    )


def _with_words(columns: tuple[Inspected, ...], table: pa.Table) -> tuple[Inspected, ...]:
    """Lists of names that are as long as lists of tags beside them are words."""
    tags = next((column for column in columns if column.kind == "tags"), None)
    if tags is None:
        return columns
    sizes = pc.list_value_length(table[tags.name])

    def as_words(column: Inspected) -> Inspected:
        words = column is not tags and "tokens" in column.scores and is_list(table[column.name].type)
        if words and pc.list_value_length(table[column.name]).cast(sizes.type).equals(sizes):
            return described(table[column.name], column.name, "tokens", column.scores)
        return column

    return tuple(map(as_words, columns))


@dataclass(frozen=True)
class _Questions:
    """The columns of questions. ``subject``: several questions share it."""

    question: str
    context: str
    answers: str
    subject: str


def _questions(columns: Sequence[Inspected]) -> _Questions | None:
    """Questions, the texts that answer them, and the answers; None where one of the three is missing."""
    answers = next((column.name for column in columns if column.kind == "answers"), None)
    texts = [column for column in columns if "text" in column.scores]
    question = next((column.name for column in texts if _QUESTIONS.fullmatch(column.name.strip())), None)
    context = next((column.name for column in texts if _CONTEXTS.fullmatch(column.name.strip())), None)
    if answers is None or question is None or context is None:
        return None
    subjects = (column.name for column in columns if _SUBJECTS.fullmatch(column.name.strip()) and column.repeated > 0)
    return _Questions(question, context, answers, next((name for name in subjects if name != context), context))


def _related(columns: Sequence[Inspected]) -> dict[str, str]:
    """Texts with partners (and with texts that are none), or scored pairs, by names; empty where there are none."""
    texts = {column.name.strip().lower(): column.name for column in columns if "text" in column.scores}
    anchor = next((texts[name] for name in _ANCHORS if name in texts), None)
    if anchor is not None and "positive" in texts:
        return {"text": anchor, **{role: texts[role] for role in ("positive", "negative") if role in texts}}
    pair = _named(columns, _COMPARED, "text")
    numbers = {column.name.strip().lower(): column for column in columns if "number" in column.scores}
    score = next((numbers[name].name for name in _SCORES if name in numbers), None)
    measured = numbers.get("label")
    if score is None and measured is not None and measured.kind == "number":  # no names of classes
        score = measured.name
    return {} if score is None or pair is None else {"text": pair[0], "other": pair[1], "score": score}


def _named(columns: Sequence[Inspected], names: Sequence[tuple[str, str]], kind: str) -> tuple[str, str] | None:
    """The first two columns of a kind that have such names."""
    found = {column.name.strip().lower(): column.name for column in columns if kind in column.scores}
    return next(((found[one], found[other]) for one, other in names if one in found and other in found), None)


def _number(columns: Sequence[Inspected]) -> str | None:
    """A column of numbers that vary and whose name is one for judgements."""
    numbers = (column.name for column in columns if column.kind == "number" and column.distinct > 1)
    return next((name for name in numbers if _MEASURED.search(name.strip())), None)


#: Names by which an instruction and its answer are recognised; others, such as a question, may be something else.
_INSTRUCTIONS = ("instruction", "prompt", "指令")
_OUTPUTS = ("output", "response", "completion", "输出", "回答")


def _messages(columns: Sequence[Inspected]) -> tuple[str, ...]:
    """Columns that together are conversations; empty where there are none."""
    names = {column.name.strip().lower(): column.name for column in columns}
    beside = {role_of(name): own for name, own in names.items() if role_of(name)}
    listed = next((column.name for column in columns if column.kind == "messages"), None)
    if listed is not None:
        return (listed, *(beside[role] for role in ("system", "tools") if beside.get(role, listed) != listed))
    texts = {name: own for name, own in names.items() if any(c.name == own and "text" in c.scores for c in columns)}
    instruction = next((texts[name] for name in _INSTRUCTIONS if name in texts), None)
    output = next((texts[name] for name in _OUTPUTS if name in texts), None)
    if instruction is None or output is None:
        return ()
    more = [beside[role] for role in ("input", "system", "history", "tools") if role in beside]
    return (instruction, *(name for name in more if name not in (instruction, output)), output)


def _last_of(columns: Sequence[Inspected], messages: Sequence[str]) -> str:
    """The column whose language is looked at: the list of messages, or the answers."""
    listed = (column.name for column in columns if column.name in messages and column.kind == "messages")
    return next(listed, messages[-1])


def _beside(columns: Sequence[Inspected], messages: Sequence[str]) -> list[str]:
    """A warning about labels beside conversations, which say something of the answers."""
    labels = [column.name for column in columns if messages and column.name not in messages and _telling(column.name)]
    return [
        f"column '{name}' is not used: every answer of the conversations is learnt, whatever it says of them. Leave "
        "out rows whose answers are not to be learnt"
        for name in labels
    ]


def _languages(table: pa.Table, column: str | None, kind: str) -> tuple[tuple[str, float], ...]:
    rows = [] if column is None else table[column].to_pylist()
    if column is not None and kind == "messages" and not is_string(table[column].type):
        cells = Cells(table[column], column, [""] * table.num_rows, drops_empty=True)
        rows = column_kind(kind).texts(column_kind(kind).convert(cells, Findings())) or []
    return tuple(detect([" ".join(map(str, row)) if isinstance(row, list) else str(row or "") for row in rows]))


def _pair(columns: Sequence[Inspected]) -> tuple[str, str] | None:
    """A column of texts and one of their counterparts, by names: source and target, or two languages."""
    names = {column.name.strip().lower(): column.name for column in columns if column.kind == "text"}
    for source, target in _PAIRS:
        if source in names and target in names:
            return names[source], names[target]
    languages = [name for name in names if is_language(name)]
    if len(languages) != 2:
        return None
    source, target = sorted(languages, key=lambda name: (name != "en", name))
    return names[source], names[target]


def _best(columns: Sequence[Inspected], kind: str, rank: Callable[[Inspected], float]) -> str | None:
    """Of the columns of a kind the one that varies, has a telling name, and comes first by ``rank``."""
    fitting = [column for column in columns if column.kind == kind]
    telling = column_kind(kind).telling
    if not fitting:
        return None
    return max(fitting, key=lambda of: (of.distinct > 1, bool(telling.search(of.name)), rank(of))).name


def _label(columns: Sequence[Inspected], table: pa.Table) -> tuple[Inspected | None, dict[str, str]]:
    """The column of labels, and why columns with a telling name are not: name -> sentence.

    A telling name goes before what the values look like, as long as values come again: class numbers may look like
    numbers, codes like ids, phrases like texts, years like dates.
    """
    found: list[tuple[int, Inspected]] = []
    refused: dict[str, tuple[int, str]] = {}
    for column in columns:
        telling = _telling(column.name)
        if column.kind in ("label", "labels") and column.distinct > 1:
            found.append((telling, column))
        elif telling and column.kind not in ("tags", "spans"):
            taken = _as_label(column, table[column.name])
            reason = _unfit(column, taken)
            if reason:
                refused[column.name] = (telling, f"column '{column.name}' was not used as the label because {reason}")
            else:
                found.append((telling, taken))
    best = max(found, key=lambda item: (item[0], item[1].repeated >= _REPEATED, -item[1].distinct), default=None)
    level = best[0] if best is not None else 0
    return best[1] if best is not None else None, {name: told for name, (of, told) in refused.items() if of > level}


def _telling(name: str) -> int:
    """2: the name of the column is one for labels; 1: such a name is part of it; 0: neither."""
    patterns = [column_kind(kind).telling for kind in ("label", "labels")]
    if any(pattern.fullmatch(name.strip("_ ")) for pattern in patterns):
        return 2
    return int(any(pattern.search(name) for pattern in patterns))


def _as_label(column: Inspected, values: pa.ChunkedArray) -> Inspected:
    return described(values, column.name, "label", {**column.scores, "label": 0.5})


def _unfit(column: Inspected, taken: Inspected) -> str:
    """Why a column with a telling name is no label; empty where it is one."""
    if not column.distinct:
        return "it is empty"
    if column.kind not in _MISTAKEN:
        return f"it holds {column.kind}" if column.kind != OTHER else "its values are neither names nor whole numbers"
    if not taken.counts:
        return f"its values are not names or whole numbers ({', '.join(column.examples)})"
    if taken.distinct < 2:
        return f"all of its rows hold '{next(iter(taken.counts))}'"
    if taken.repeated < _REPEATED:
        return (
            f"most of its values occur once ({taken.distinct:,} different ones in {sum(taken.counts.values()):,} rows)"
        )
    if column.kind == "text" and column.characters.get("mean", 0.0) > _NAME and not taken.repeated > 0.9:
        return "its values are as long as texts"
    return ""


def _group(columns: Sequence[Inspected]) -> str | None:
    """Something like a customer's number that several rows share."""
    shared = (column for column in columns if column.kind in ("id", "label", "number") and column.repeated > 0)
    return next((column.name for column in shared if _OWNERS.search(column.name)), None)


def _time(columns: Sequence[Inspected]) -> str | None:
    """A date, or numbers that call themselves a time."""
    telling = column_kind("time").telling
    stamps = (column.name for column in columns if column.kind == "number" and telling.search(column.name))
    return _best(columns, "time", lambda column: column.distinct) or next(stamps, None)


def _split_counts(table: pa.Table) -> dict[str, int]:
    counts = pc.value_counts(table[SPLIT].cast(pa.string())).to_pylist()
    return {item["values"]: item["counts"] for item in counts if item["values"] is not None}
