"""Toy models in folders, and indexes of toy documents that are made once."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from dianji import verbs
from dianji.retrieval import build
from dianji.retrieval.opened import Index
from dianji.retrieval.probe import Probe, Reproduced
from dianji.store.steps import Store
from dianji.testing import families, toys

#: 24 questions as documents of two sentences; the fifth is longer than a toy model reads.
TEXTS = [f"{text}. please help me today." for text in toys.text_table()["text"].to_pylist()]
TEXTS[4] = " ".join(f"{text}." for text in toys.text_table()["text"].to_pylist())


def write_documents(path: Path, texts: list[str], ids: list[str] | None = None) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text"] if ids is not None else ["text"])
        for number, text in enumerate(texts):
            writer.writerow([ids[number], text] if ids is not None else [text])
    return path


@pytest.fixture(scope="session")
def toy_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return families.write(toys.text_base(), tmp_path_factory.mktemp("models") / "toy", seed=1)


@pytest.fixture(scope="session")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return families.write(toys.text_base(), tmp_path_factory.mktemp("models") / "other", seed=2)


@pytest.fixture(scope="session")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    return write_documents(folder / "documents.csv", TEXTS, [f"d{number}" for number in range(len(TEXTS))])


@pytest.fixture(scope="session")
def dense(tmp_path_factory: pytest.TempPathFactory, toy_model: Path, documents: Path) -> Path:
    """An index with vectors, proved in a process of its own."""
    folder = tmp_path_factory.mktemp("dense")
    made = verbs.index(str(documents), folder / "index", model=toy_model, store=Store(folder / "home"))
    return made.index


@pytest.fixture
def prove_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Indexes are proved in this process: starting another takes seconds."""

    def prove(folder: Path, model: str | None = None) -> Reproduced:
        index = Index.open(folder, model=model)
        return Reproduced(Probe.read(folder).reproduce(index))

    monkeypatch.setattr(build, "reproduce_elsewhere", prove)
