"""生成示例数据：一家虚构网店的顾客写给客服的话。

句子都在 ``phrasings.toml`` 里；本文件填空、加寒暄和错字，再分给各位顾客。种子相同，写出的字节就相同。
只需要 Python 3.11，不需要别的包。

    python generate.py [--out data] [--seed 7]
"""

# ruff: noqa: D415 - 中文句号也是句号

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
TICKETS = 5000
FIRST_CUSTOMER = 1001
TYPO_SHARE = 0.2  # 有错字的消息所占比例；一条消息至多一处


@dataclass(frozen=True)
class Question:
    """一行带标签的数据。"""

    query: str
    intent: str
    customer_id: str


@dataclass(frozen=True)
class Writer:
    """把说法变成消息。"""

    phrasings: dict[str, Any]
    rng: random.Random

    def questions(self) -> list[Question]:
        """每种说法两三个互不相同的问题；一种说法只属于一位顾客。"""
        rows: dict[str, Question] = {}
        for intent, phrasings in self.phrasings["intents"].items():
            # 随机分配，免得有的顾客只有特别的说法。
            for number, phrasing in enumerate(self.rng.sample(phrasings, len(phrasings))):
                customer = f"C{FIRST_CUSTOMER + number}"
                for _ in range(self.rng.choice((2, 3))):
                    query = self._new(phrasing, rows)
                    rows[query] = Question(query, intent, customer)
        shuffled = list(rows.values())
        self.rng.shuffle(shuffled)
        return shuffled

    def tickets(self, count: int) -> list[str]:
        """互不相同的无标签消息；每条用两三种说法讲同一件事，模型由此学到哪些说法意思相近。"""
        intents = list(self.phrasings["intents"].values())
        texts: dict[str, None] = {}
        while len(texts) < count:
            phrasings = self.rng.sample(self.rng.choice(intents), self.rng.choice((2, 3)))
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
        concern = self.rng.choice(chatter["between"]).join(phrasings)
        text = self._fill(before + concern + after)
        return self._mistype(text) if self.rng.random() < TYPO_SHARE else text

    def _fill(self, phrasing: str) -> str:
        day = date(2025, 1, 6) + timedelta(days=self.rng.randrange(330))
        values = {name: self.rng.choice(choices) for name, choices in self.phrasings["slots"].items()}
        values["date"] = f"{day.month}月{day.day}日" if self.rng.random() < 0.6 else f"{day.month}.{day.day}"
        values["amount"] = f"{self.rng.randrange(9, 900)}" + self.rng.choice(("元", "块"))
        values["order"] = f"{self.rng.randrange(10_000_000, 100_000_000)}"
        values["days"] = str(self.rng.randrange(3, 21))
        return phrasing.format(**values)

    def _mistype(self, text: str) -> str:
        homophones: dict[str, str] = self.phrasings["homophones"]
        places = [place for place, sign in enumerate(text) if sign in homophones]
        if places and self.rng.random() < 0.5:
            at = self.rng.choice(places)
            return text[:at] + homophones[text[at]] + text[at + 1 :]
        at = self.rng.choice([place for place, sign in enumerate(text) if sign.isalpha()])
        return text[:at] + text[at + 1 :]


def write(out: Path, seed: int) -> None:
    """把 ``tickets.jsonl``、``questions.csv`` 和 ``new.txt`` 写进 ``out``。"""
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
    print(f"{out}：{len(tickets)} 条工单，{len(questions)} 个问题，{len(phrasings['new'])} 个新问题")


def _write_lines(path: Path, lines: list[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(line + "\n" for line in lines)


def main() -> None:
    """命令行。"""
    parser = argparse.ArgumentParser(description="生成本示例的数据。")
    parser.add_argument("--out", type=Path, default=HERE / "data", help="输出文件夹（默认：本文件旁的 data）")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    write(arguments.out, arguments.seed)


if __name__ == "__main__":
    main()
