"""The public data sets, read as they are published."""

from __future__ import annotations

import pytest

from dianji.data.columns import Column
from dianji.data.inspect import inspect
from dianji.errors import DataError
from tests.data.helpers import IMAGES, TEXT, everything, read

pytestmark = pytest.mark.real


def test_banking77(data_root):
    folder = data_root / "banking77" / "banking_data"
    loaded = read(str(folder / "train.csv"), columns={"label": "category"}, split={"test": str(folder / "test.csv")})
    assert loaded.report["rows"] == {"train": 9003, "validation": 1000, "test": 3080}
    assert len(loaded.report["labels"]["train"]) == len(loaded.report["labels"]["validation"]) == 77
    assert set(loaded.report["labels"]["test"].values()) == {40}
    assert loaded.report["leakage"]["test"]["count"] == 6
    assert loaded.report["languages"][0]["language"] == "en"


def test_thucnews_titles(data_root):
    folder = data_root / "thucnews_titles" / "THUCNews" / "data"
    loaded = read(str(folder / "dev.txt"), split={"test": str(folder / "test.txt")}, limit=1000)
    assert loaded.report["files"][0]["format"] == "labelled-text"
    assert loaded.report["rows"] == {"train": 1000, "validation": 1000, "test": 10_000}
    assert loaded.report["labels"]["train"] == {str(label): 100 for label in range(10)}
    assert loaded.report["languages"][0]["language"] == "zh-Hans"


def test_sms_spam(data_root):
    loaded = read(str(data_root / "sms_spam" / "SMSSpamCollection"), columns={"text": "SMS", "label": "Label"})
    assert len(everything(loaded)) == 5574
    counts = [loaded.report["labels"][split] for split in loaded.splits]
    assert sum(count["ham"] for count in counts) == 4827
    assert sum(count["spam"] for count in counts) == 747
    assert loaded.report["duplicates"]["count"] >= 403


def test_cold_zh(data_root):
    loaded = read(str(data_root / "cold_zh" / "COLDataset"), columns={"text": "TEXT"})
    assert loaded.report["rows"] == {"train": 25_726, "validation": 6431, "test": 5323}
    assert loaded.report["leakage"]["test"]["count"] == 39
    assert loaded.report["languages"] == [{"language": "zh-Hans", "share": 1.0}]


def test_zh_wiki(data_root):
    loaded = read(str(data_root / "zh_wiki" / "zh_wiki.parquet"), TEXT)
    assert sum(loaded.report["rows"].values()) == 46_725
    assert loaded.report["languages"][0]["language"].startswith("zh")


def test_chnsenticorp(data_root):
    path = data_root / "chnsenticorp_htl" / "datasets" / "ChnSentiCorp_htl_all" / "ChnSentiCorp_htl_all.csv"
    loaded = read(str(path), columns={"text": "review"})
    assert len(everything(loaded)) == 7766
    assert loaded.report["empty"]["count"] == 1


def test_financial_phrasebank(data_root):
    path = data_root / "financial_phrasebank" / "Sentences_50Agree.txt"
    loaded = read(str(path), format="labelled-text", options={"separator": "@"})
    assert len(everything(loaded)) == 4846
    assert not everything(loaded)[0]["text"].startswith("\ufeff")


def test_fashion_mnist(data_root):
    loaded = read(str(data_root / "fashion_mnist" / "test.parquet"), IMAGES, limit="5 per label")
    assert loaded.report["rows"]["train"] == 50
    assert loaded.report["images"]["image"]["sizes"] == {"28x28": 3050}


@pytest.mark.parametrize(
    ("path", "text", "label"),
    [
        ("banking77/banking_data/train.csv", "text", "category"),
        ("sms_spam/SMSSpamCollection", "SMS", "Label"),
        ("cold_zh/COLDataset/test.csv", "TEXT", "label"),
        ("zh_wiki/zh_wiki.parquet", "text", None),
        ("fashion_mnist/test.parquet", None, "label"),
    ],
)
def test_inspection_finds_the_columns(data_root, path, text, label):
    seen = inspect(str(data_root / path))
    assert (seen.text, seen.label) == (text, label)


def test_instructions_and_dialogue(data_root):
    folder = data_root / "alpaca_demo_pref" / "data"
    messages = {"messages": Column("messages")}
    alpaca = read(
        str(folder / "alpaca_zh_demo.json"), messages, columns={"messages": ["instruction", "input", "output"]}
    )
    assert sum(alpaca.report["rows"].values()) == 1000
    assert inspect(str(folder / "alpaca_zh_demo.json")).messages == ("instruction", "input", "output")
    tools = {"messages": ["conversations", "tools"]}
    calls = everything(read(str(folder / "glaive_toolcall_en_demo.json"), messages, columns=tools))
    assert sum(bool(one["tool_calls"]) for row in calls for one in row["messages"]) == 211
    with pytest.raises(DataError, match=r"line 5819, row 198: .*turn 4 is out of order.*'tool'"):
        read(str(folder / "glaive_toolcall_zh_demo.json"), messages, columns=tools)
