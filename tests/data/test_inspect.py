from __future__ import annotations

import json

import pytest

from dianji.data.inspect import inspect, taken_as
from dianji.errors import DataError, RecipeError
from tests.data.helpers import write_csv, write_jsonl


def test_a_table_of_customers_questions(tmp_path):
    rows = [
        (
            f"n{n}",
            f"where is the card that I asked for {n} times",
            ("card", "loan")[n % 2],
            f"c{n % 9}",
            f"2026-03-{n % 28 + 1:02d}",
            f"{n / 7:.3f}",
        )
        for n in range(60)
    ]
    seen = inspect(write_csv(tmp_path / "a.csv", rows, "id,query,intent,customer_id,created,amount"))
    assert {column.name: column.kind for column in seen.columns} == {
        "id": "id",
        "query": "text",
        "intent": "label",
        "customer_id": "label",
        "created": "time",
        "amount": "number",
    }
    assert (seen.format, seen.encoding, seen.rows) == ("csv", "utf-8", 60)
    assert (seen.text, seen.label, seen.group, seen.time, seen.image) == (
        "query",
        "intent",
        "customer_id",
        "created",
        None,
    )
    assert seen.column("intent").counts == {"card": 30, "loan": 30}
    assert seen.column("query").characters["median"] > 20
    assert seen.languages[0][0] == "en"
    assert json.dumps(seen.to_json())


def test_lists_and_numbers_of_json(tmp_path):
    records = [
        {"body": f"a text with some words {n}", "tags": ["x", "y"][: n % 2 + 1], "stars": n % 5, "score": n / 3}
        for n in range(40)
    ]
    seen = inspect(write_jsonl(tmp_path / "a.jsonl", records))
    assert {column.name: column.kind for column in seen.columns} == {
        "body": "text",
        "tags": "labels",
        "stars": "label",
        "score": "number",
    }
    assert seen.label == "tags"


def test_images_in_folders(tmp_path):
    from PIL import Image

    for split in ("train", "test"):
        for label in ("cat", "dog"):
            folder = tmp_path / split / label
            folder.mkdir(parents=True)
            Image.new("L", (28, 20)).save(folder / "0.png")
    seen = inspect(str(tmp_path))
    assert (seen.format, seen.image, seen.label, seen.text) == ("images", "image", "label", None)
    assert seen.column("image").values["sizes"] == {"28x20": 4}
    assert seen.splits == {"train": 2, "test": 2}


def test_plain_text(tmp_path):
    (tmp_path / "a.txt").write_text("我两个星期前申请的信用卡在哪里\n请帮我查一下\n", encoding="gb18030")
    seen = inspect(str(tmp_path / "a.txt"))
    assert (seen.format, seen.encoding, seen.text, seen.label) == ("text", "gb18030", "text", None)
    assert seen.languages[0][0] == "zh-Hans"


def test_what_is_wrong_is_said(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"text,label\none\n")
    with pytest.raises(DataError, match="line 2: 1 cell"):
        inspect(str(tmp_path / "a.csv"))


def test_a_caller_may_know_better(tmp_path):
    path = tmp_path / "rows.csv"
    lines = [f"please send my card number {n},the shop in street {n} is closed,{'ab'[n % 2]},{n}" for n in range(30)]
    path.write_text("\n".join(["query,remark,kind,number", *lines]) + "\n", encoding="utf-8")
    seen = inspect(str(path))
    assert (seen.text, seen.label) == ("query", "kind")
    taken = taken_as(seen, {"text": "remark"})
    assert (taken.text, taken.label) == ("remark", "kind")
    other = taken_as(seen, {"label": "query", "text": "remark"})
    assert (other.text, other.label) == ("remark", "query")
    with pytest.raises(RecipeError) as caught:
        taken_as(seen, {"txt": "query", "label": "kin"})
    assert "Did you mean 'text'" in str(caught.value)
    assert "Did you mean 'kind'" in str(caught.value)
