from __future__ import annotations

import json

import pytest

from dianji.data.columns import Column
from dianji.data.inspect import inspect, taken_as
from dianji.errors import DataError, RecipeError
from dianji.pipeline import sketch
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


# Columns with a telling name ----------------------------------------------------------------------------------------

WORDS = ["please block my card", "where is my money", "close the account", "I need a loan", "change my address"]


def labelled(folder, values, name="label", count=40, **more):
    records = [
        {"text": f"{WORDS[n % 5]} number {n * 37} and so on", name: values[n % len(values)], **more}
        for n in range(count)
    ]
    return inspect(write_jsonl(folder / "a.jsonl", records))


@pytest.mark.parametrize(
    "values",
    [
        [f"a reason that is written out in words {n}" for n in range(8)],
        ["0.0", "1.0"],
        [0.0, 1.0],
        [f"HS{n:04d}" for n in range(16)],
        ["2026-03-31", "2026-04-01", "2026-04-02"],
        ["2024", "2025"],
        list(range(10)),
        [True, False],
    ],
    ids=["phrases", "fractions", "floats", "codes", "dates", "years", "numbers", "flags"],
)
@pytest.mark.parametrize("name", ["label", "category", "intent_code"])
def test_a_telling_name_with_repeated_values_beats_their_kind(tmp_path, values, name):
    seen = labelled(tmp_path, values, name)
    assert (seen.text, seen.label) == ("text", name)
    assert len(seen.column(name).counts) == len(values)
    assert not any("was not used" in warning for warning in seen.warnings)


def test_eight_labels_of_four_rows(tmp_path):
    values = [f"reason {n}" for n in range(8)]
    assert labelled(tmp_path, values, count=32).label == "label"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (
            [f"something of its own {n}" for n in range(40)],
            "most of its values occur once (40 different ones in 40 rows)",
        ),
        (["same"], "all of its rows hold 'same'"),
        ([0.25, 0.5, 1.75], "its values are not names or whole numbers"),
        ([None], "it is empty"),
        ([[0.5, 1.5]], "it holds vector"),
    ],
    ids=["once", "one", "fractions", "empty", "vectors"],
)
def test_a_telling_name_that_is_not_used_is_told(tmp_path, values, reason):
    seen = labelled(tmp_path, values)
    assert seen.label is None
    told = [
        warning for warning in seen.warnings if warning.startswith("column 'label' was not used as the label because")
    ]
    assert len(told) == 1
    assert reason in told[0]


def test_the_exact_name_goes_first(tmp_path):
    seen = labelled(tmp_path, [0, 1], label_text="negative", class_id=3)
    assert seen.label == "label"


def test_several_columns_of_zeros_and_ones_are_labels(tmp_path):
    records = [{"text": f"{WORDS[n % 5]} {n}", "toxic": n % 2, "insult": int(n % 3 == 0)} for n in range(30)]
    seen = inspect(write_jsonl(tmp_path / "a.jsonl", records))
    assert seen.parts(str(seen.label)) == ("toxic", "insult")
    assert seen.column(str(seen.label)).kind == "labels"
    one = [{"text": f"{WORDS[n % 5]} {n}", "spam": str(n % 2), "ham": str(1 - n % 2)} for n in range(30)]
    seen = inspect(write_jsonl(tmp_path / "b.jsonl", one))
    assert seen.column(str(seen.label)).kind == "label"
    assert seen.column(str(seen.label)).counts == {"ham": 15, "spam": 15}


def test_columns_for_a_task(tmp_path):
    records = [
        {"words": ["New", "York", str(n)], "ner_tags": ["B-LOC", "I-LOC", "O"], "id": f"x{n}", "score": n / 7}
        for n in range(30)
    ]
    seen = inspect(write_jsonl(tmp_path / "a.jsonl", records))
    tagging = {"tokens": Column("tokens"), "tags": Column("tags", target=True)}
    assert seen.fit(tagging) == {"tokens": "words", "tags": "ner_tags"}
    assert seen.fit({"answers": Column("answers", target=True)}) is None
    assert seen.fit({**tagging, "answers": Column("answers", optional=True)}) == seen.fit(tagging)
    assert seen.fit({"score": Column("number", target=True)}) == {"score": "score"}


def test_pairs_of_texts_with_labels(tmp_path):
    rows = [(f"a man plays song {n}", f"someone makes music {n * 7}", ("yes", "no", "maybe")[n % 3]) for n in range(60)]
    seen = inspect(write_csv(tmp_path / "nli.csv", rows, "premise,hypothesis,gold_label"))
    assert (seen.text, seen.other, seen.label) == ("premise", "hypothesis", "gold_label")
    assert sketch.supervised_task(seen) == "text-pair-classification"
    section = sketch.data_section(seen, tmp_path / "recipe.yaml")
    assert section["columns"] == {"text": "premise", "other": "hypothesis", "label": "gold_label"}


def test_scored_pairs_whose_score_is_called_a_label(tmp_path):
    rows = [(f"a man plays song {n}", f"someone makes music {n * 7}", f"{(n % 50) / 10 + 0.01:.2f}") for n in range(60)]
    seen = inspect(write_csv(tmp_path / "sts.csv", rows, "sentence1,sentence2,label"))
    assert seen.related == {"text": "sentence1", "other": "sentence2", "score": "label"}


def test_texts_with_a_number(tmp_path):
    rows = [(f"the room number {n} was clean and quiet", f"{(n % 47) / 9.3:.3f}") for n in range(60)]
    seen = inspect(write_csv(tmp_path / "reviews.csv", rows, "review,score"))
    assert (seen.text, seen.number, seen.label) == ("review", "score", None)
    assert sketch.supervised_task(seen) == "text-regression"
    section = sketch.data_section(seen, tmp_path / "recipe.yaml")
    assert section["columns"] == {"text": "review", "score": "score"}
    assert section["split"] == {"validation": 0.1, "test": 0.2}


def test_a_number_may_be_named_in_place_of_a_label(tmp_path):
    rows = [(f"the room number {n} was clean and quiet", ("a", "b")[n % 2], f"{n / 7:.3f}") for n in range(60)]
    seen = inspect(write_csv(tmp_path / "a.csv", rows, "review,kind,amount"))
    assert (seen.label, seen.number) == ("kind", None)
    seen = taken_as(seen, {"score": "amount"})
    assert (seen.label, seen.number) == (None, "amount")
    assert sketch.supervised_task(seen) == "text-regression"
