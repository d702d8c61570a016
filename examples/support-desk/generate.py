"""Writes the example's data: what customers of an invented shop wrote to its support desk.

The sentences stand in ``phrasings.toml``; this file fills their slots, adds small talk and typing errors, and deals
them to customers. The same seed writes the same bytes. Needs nothing but Python 3.11.

    python generate.py [--out data] [--seed 7]
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import tomllib
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TICKETS = 3000
FIRST_CUSTOMER = 1001
TYPO_SHARE = 0.25  # of the messages; a message has one typing error at most


@dataclass(frozen=True)
class Question:
    """One labelled row."""

    query: str
    intent: str
    customer_id: str


@dataclass(frozen=True)
class Writer:
    """Turns phrasings into messages."""

    phrasings: dict[str, Any]
    rng: random.Random

    def questions(self) -> list[Question]:
        """One or two questions for each phrasing, no two alike; a phrasing belongs to one customer."""
        rows: dict[str, Question] = {}
        for intent, phrasings in self.phrasings["intents"].items():
            # Dealt at random, so that no customer has only the unusual phrasings.
            for number, phrasing in enumerate(self.rng.sample(phrasings, len(phrasings))):
                customer = f"C{FIRST_CUSTOMER + number}"
                for _ in range(self.rng.choice((1, 2))):
                    query = self._new(phrasing, rows)
                    rows[query] = Question(query, intent, customer)
        shuffled = list(rows.values())
        self.rng.shuffle(shuffled)
        return shuffled

    def tickets(self, count: int) -> list[str]:
        """Unlabelled messages, no two alike; every other one says its concern twice, in different words."""
        intents = list(self.phrasings["intents"].values())
        texts: dict[str, None] = {}
        while len(texts) < count:
            phrasings = self.rng.sample(self.rng.choice(intents), self.rng.choice((1, 2)))
            texts[self._message(phrasings)] = None
        return list(texts)

    def _new(self, phrasing: str, known: dict[str, Question]) -> str:
        while (text := self._message([phrasing])) in known:
            pass
        return text

    def _message(self, phrasings: list[str]) -> str:
        chatter = self.phrasings["chatter"]
        before = self.rng.choice(chatter["before"]) if self.rng.random() < 0.5 else ""
        after = self.rng.choice(chatter["after"]) if self.rng.random() < 0.4 else ""
        concern = f" {self.rng.choice(chatter['between'])} ".join(phrasings)
        text = self._fill(" ".join(part for part in (before, concern, after) if part))
        return self._mistype(text) if self.rng.random() < TYPO_SHARE else text

    def _fill(self, phrasing: str) -> str:
        day = date(2025, 1, 6) + timedelta(days=self.rng.randrange(330))
        values = {name: self.rng.choice(choices) for name, choices in self.phrasings["slots"].items()}
        values["date"] = f"{day.day} {day:%B}" if self.rng.random() < 0.6 else f"{day:%d/%m}"
        values["amount"] = f"£{self.rng.randrange(9, 480)}" + self.rng.choice(("", ".50", ".99"))
        values["order"] = f"{self.rng.choice('ABKX')}{self.rng.randrange(10_000, 100_000)}"
        values["days"] = str(self.rng.randrange(3, 21))
        return phrasing.format(**values)

    def _mistype(self, text: str) -> str:
        words = text.split(" ")
        long_words = [place for place, word in enumerate(words) if len(word) >= 5 and word.isalpha()]
        if not long_words:
            return text.lower()
        place = self.rng.choice(long_words)
        word, at = words[place], self.rng.randrange(1, len(words[place]) - 1)
        swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        dropped = word[:at] + word[at + 1 :]
        doubled = word[:at] + word[at] + word[at:]
        words[place] = self.rng.choice((swapped, dropped, doubled))
        return " ".join(words)


def write(out: Path, seed: int) -> None:
    """Writes ``tickets.jsonl``, ``questions.csv`` and ``new.txt`` into ``out``."""
    phrasings = tomllib.loads((HERE / "phrasings.toml").read_text(encoding="utf-8"))
    writer = Writer(phrasings, random.Random(seed))
    questions, tickets = writer.questions(), writer.tickets(TICKETS)
    out.mkdir(parents=True, exist_ok=True)
    with (out / "questions.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("query", "intent", "customer_id"))
        table.writerows((row.query, row.intent, row.customer_id) for row in questions)
    _write_lines(out / "tickets.jsonl", [json.dumps({"body": text}, ensure_ascii=False) for text in tickets])
    _write_lines(out / "new.txt", phrasings["new"])
    print(f"{len(tickets)} tickets, {len(questions)} questions and {len(phrasings['new'])} new ones are in {out}")


def _write_lines(path: Path, lines: list[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(line + "\n" for line in lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Writes the data of this example.")
    parser.add_argument("--out", type=Path, default=HERE / "data", help="folder (default: data, beside this file)")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    write(arguments.out, arguments.seed)


if __name__ == "__main__":
    main()
