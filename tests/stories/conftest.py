"""A toy project on disk: questions with intents, unlabelled tickets, small images."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from dianji.reporting import Silent
from dianji.results import RunResult
from dianji.store.steps import Store


@dataclass(frozen=True)
class Done:
    """A recipe that was run once for all tests of a file."""

    store: Store
    result: RunResult

    def artefact(self, stage: str) -> Path:
        """The stage's."""
        return next(found.artefact for found in self.result.stages if found.name == stage)


PHRASINGS = {
    "refund": ["i want my money back", "please refund my order", "give me a refund for this"],
    "card": ["where is my new card", "my card has not arrived", "when will the card come"],
    "login": ["i cannot log in", "my password is wrong", "the app says wrong password"],
}
BASE = "{new: transformer, layers: 2, width: 32, heads: 2, length: 32, vocabulary: 200}"


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data files of the toy project."""
    folder = tmp_path_factory.mktemp("project")
    rng = random.Random(1)
    with (folder / "questions.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["query", "intent", "customer"])
        for number in range(90):
            intent = rng.choice(list(PHRASINGS))
            writer.writerow([f"{rng.choice(PHRASINGS[intent])} {number}", intent, f"c{number % 30}"])
    with (folder / "tickets.jsonl").open("w", encoding="utf-8") as file:
        for number in range(120):
            intent = rng.choice(list(PHRASINGS))
            body = f"{rng.choice(PHRASINGS[intent])}. {rng.choice(PHRASINGS[intent])} ticket {number}"
            file.write(json.dumps({"body": body}) + "\n")
    for label in ("circle", "square"):
        (folder / "shapes" / label).mkdir(parents=True)
        for number in range(30):
            (folder / "shapes" / label / f"{number}.png").write_bytes(drawn(label, rng))
    return folder


def drawn(label: str, rng: random.Random) -> bytes:
    """A 16×16 PNG of one shape."""
    image = Image.new("L", (16, 16))
    left, top, size = rng.randint(0, 5), rng.randint(0, 5), rng.randint(7, 10)
    draw = ImageDraw.Draw(image)
    box = (left, top, left + size, top + size)
    if label == "circle":
        draw.ellipse(box, outline=255)
    else:
        draw.rectangle(box, outline=255)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def write_recipe(folder: Path, project: Path, text: str, name: str = "recipe.yaml") -> Path:
    """A recipe whose ``DATA`` stands for the toy project's folder and ``BASE`` for a tiny transformer."""
    path = folder / name
    path.write_text(text.replace("DATA", str(project)).replace("BASE", BASE), encoding="utf-8")
    return path


class Watcher(Silent):
    """Keeps warnings, and crashes at a given step as a killed process would."""

    def __init__(self, crash_at: int = 0, *, anywhere: bool = False) -> None:
        self.crash_at = crash_at
        self.anywhere = anywhere  # also in work that is no training
        self.steps = 0
        self.warnings: list[str] = []

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    @contextmanager
    def work(self, title: str, total: int | None, unit: str, done: int = 0) -> Iterator[Watcher]:
        yield self

    def advance(self, amount: int = 1, **figures: float) -> None:
        if "loss" in figures or self.anywhere:
            self.steps += 1
            if self.steps == self.crash_at:
                raise RuntimeError("killed")
