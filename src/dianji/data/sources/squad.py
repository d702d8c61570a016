"""SQuAD's JSON: articles with paragraphs with questions; XQuAD and CMRC 2018 use it too."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pyarrow as pa

from dianji.data.encoding import decode
from dianji.data.findings import Findings
from dianji.data.source import Place, with_sources
from dianji.errors import DataError
from dianji.registry import component

_ANSWERS = pa.list_(pa.struct([("text", pa.string()), ("start", pa.int64())]))


@component("source", "squad")
@dataclass(frozen=True)
class Squad:
    """A row per question: ``id``, ``title``, ``context``, ``question``, ``answers``; an impossible one has none."""

    suffixes: ClassVar[tuple[str, ...]] = ()  # recognised by its content: the files are called .json
    reads: ClassVar[Literal["file", "folder", "service"]] = "file"

    def read(self, place: Place, encoding: str, findings: Findings) -> pa.Table:
        """The questions in their order.

        Raises:
            DataError: not JSON, or not of this shape; the path of the part at fault is named.
        """
        text = decode(place, encoding, findings)
        try:
            document = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            raise DataError(f"{place.name}: not JSON ({error}). SQuAD's layout is expected.") from None
        rows = list(_rows(document, place))
        if not rows:
            raise DataError(f"{place.name}: holds no question. Expected data[].paragraphs[].qas[].")
        names = ("id", "title", "context", "question")
        columns = {name: pa.array([row[name] for row in rows], pa.string()) for name in names}
        columns["answers"] = pa.array([row["answers"] for row in rows], _ANSWERS)
        return with_sources(pa.table(columns), [row["where"] for row in rows])


def looks_like_squad(beginning: str) -> bool:
    """Whether the first characters of a file are those of this layout."""
    flat = beginning.lstrip("\ufeff \t\r\n")
    return flat.startswith("{") and '"data"' in flat and '"paragraphs"' in flat


def _rows(document: Any, place: Place) -> Iterator[dict[str, Any]]:
    for a, article in enumerate(_list(document, "data", f"{place.name}: ")):
        at = f"{place.name}, data[{a}]"
        for p, paragraph in enumerate(_list(article, "paragraphs", f"{at}: ")):
            context = _text(paragraph, "context", f"{at}.paragraphs[{p}]: ")
            for q, question in enumerate(_list(paragraph, "qas", f"{at}.paragraphs[{p}]: ")):
                where = f"{at}.paragraphs[{p}].qas[{q}]"
                yield {
                    "id": str(question.get("id", "")) if isinstance(question, Mapping) else "",
                    "title": str(article.get("title", "")),
                    "context": context,
                    "question": _text(question, "question", f"{where}: "),
                    "answers": _answers(question, where),
                    "where": where,
                }


def _answers(question: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    if question.get("is_impossible"):
        return []
    found = []
    for number, answer in enumerate(_list(question, "answers", f"{where}: ")):
        start = answer.get("answer_start") if isinstance(answer, Mapping) else None
        if start is not None and (not isinstance(start, int) or start < 0):
            start = None  # CMRC writes -1 where the passage was not found
        found.append({"text": _text(answer, "text", f"{where}.answers[{number}]: "), "start": start})
    return found


def _list(value: Any, key: str, at: str) -> list[Any]:
    found = value.get(key) if isinstance(value, Mapping) else None
    if not isinstance(found, list):
        raise DataError(f"{at}expected a list under '{key}', found {type(found).__name__}.")
    return found


def _text(value: Any, key: str, at: str) -> str:
    found = value.get(key) if isinstance(value, Mapping) else None
    if not isinstance(found, str):
        raise DataError(f"{at}expected text under '{key}', found {type(found).__name__}.")
    return found
