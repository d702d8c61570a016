import json
import sqlite3

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from dianji.data.source import Place
from dianji.data.sources.arrow import Arrow
from dianji.data.sources.conll import Conll, to_conll
from dianji.data.sources.csv import Csv
from dianji.data.sources.fasttext import FastText
from dianji.data.sources.hub import Hub
from dianji.data.sources.images import Images
from dianji.data.sources.json import Json
from dianji.data.sources.jsonl import JsonLines
from dianji.data.sources.labelled_text import LabelledText
from dianji.data.sources.parallel import Parallel
from dianji.data.sources.parquet import Parquet
from dianji.data.sources.sql import Sql
from dianji.data.sources.squad import Squad
from dianji.data.sources.text import Text
from dianji.data.sources.text_folders import TextFolders
from dianji.data.sources.tsv import Tsv
from dianji.testing import toys
from dianji.testing.source import SourceContract

RECORDS = toys.text_table().to_pylist()


def separated(separator, header=True):
    lines = [separator.join((row["text"], row["label"])) for row in RECORDS]
    return "\n".join([separator.join(("text", "label"))] * header + lines) + "\n"


def written(folder, name, content):
    file = folder / name
    file.write_text(content, encoding="utf-8")
    return Place(str(file), name)


class TestCsv(SourceContract):
    component = Csv
    rows, columns = 24, ("text", "label")

    def place(self, folder):
        return written(folder, "toy.csv", separated(","))


class TestTsv(SourceContract):
    component = Tsv
    rows, columns = 24, ("text", "label")

    def place(self, folder):
        return written(folder, "toy.tsv", separated("\t"))


class TestLabelledText(SourceContract):
    component = LabelledText
    rows, columns = 24, ("text", "label")

    def place(self, folder):
        return written(folder, "toy.txt", separated("\t", header=False))


class TestFastText(SourceContract):
    component = FastText
    rows, columns = 24, ("text", "label", "labels")

    def place(self, folder):
        return written(folder, "toy.txt", "".join(f"__label__{row['label']} {row['text']}\n" for row in RECORDS))


class TestConll(SourceContract):
    component = Conll
    rows, columns = 24, ("tokens", "tags")

    def place(self, folder):
        table = toys.tokens_table()
        rows = zip(table["tokens"].to_pylist(), table["tags"].to_pylist(), strict=True)
        return written(folder, "toy.conll", "".join(to_conll(rows)))


class TestText(SourceContract):
    component = Text
    rows, columns = 24, ("text",)

    def place(self, folder):
        return written(folder, "toy.txt", "".join(row["text"] + "\n" for row in RECORDS))


class TestParallel(SourceContract):
    component = Parallel
    rows, columns = 24, ("text", "target")

    def place(self, folder):
        written(folder, "toy.de", "".join(row["target"] + "\n" for row in toys.pairs_table().to_pylist()))
        return written(folder, "toy.en", "".join(row["text"] + "\n" for row in RECORDS))


class TestJson(SourceContract):
    component = Json
    rows, columns = 24, ("text", "label")

    def place(self, folder):
        return written(folder, "toy.json", json.dumps(RECORDS, indent=1))


class TestJsonLines(SourceContract):
    component = JsonLines
    rows, columns = 24, ("text", "label")

    def place(self, folder):
        return written(folder, "toy.jsonl", "".join(json.dumps(row) + "\n" for row in RECORDS))


class TestParquet(SourceContract):
    component = Parquet
    rows, columns = 24, ("text", "label")

    def place(self, folder):
        pa.parquet.write_table(toys.text_table(), folder / "toy.parquet")
        return Place(str(folder / "toy.parquet"), "toy.parquet")


class TestArrow(SourceContract):
    component = Arrow
    rows, columns = 24, ("text", "label")

    def place(self, folder):
        pa.feather.write_feather(toys.text_table(), folder / "toy.arrow", compression="uncompressed")
        return Place(str(folder / "toy.arrow"), "toy.arrow")


class TestImages(SourceContract):
    component = Images
    rows, columns = 24, ("image", "label")

    def place(self, folder):
        for number, row in enumerate(toys.image_table().to_pylist()):
            file = folder / "pictures" / row["label"] / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(row["image"])
        return Place(str(folder / "pictures"), "pictures")


class TestTextFolders(SourceContract):
    component = TextFolders
    rows, columns = 24, ("text", "label")

    def place(self, folder):
        for number, row in enumerate(RECORDS):
            (folder / "texts" / row["label"]).mkdir(parents=True, exist_ok=True)
            (folder / "texts" / row["label"] / f"{number}.txt").write_text(row["text"], encoding="utf-8")
        return Place(str(folder / "texts"), "texts")


class TestHub(SourceContract):
    component = Hub
    rows, columns = 24, ("text", "label")

    @pytest.fixture(autouse=True)
    def _own_cache(self, tmp_path, monkeypatch):
        monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")

    def place(self, folder):
        (folder / "toy").mkdir(exist_ok=True)
        written(folder / "toy", "train.csv", separated(","))
        return Place(str(folder / "toy"), "toy")


class TestSql(SourceContract):
    component = Sql
    rows, columns = 24, ("text", "label")

    def source(self, folder):
        return Sql(url=f"sqlite:///{folder / 'toy.db'}", query="SELECT text, label FROM questions ORDER BY rowid")

    def place(self, folder):
        file = folder / "toy.db"
        if not file.exists():
            connection = sqlite3.connect(file)
            connection.execute("CREATE TABLE questions (text TEXT, label TEXT)")
            connection.executemany("INSERT INTO questions VALUES (:text, :label)", RECORDS)
            connection.commit()
            connection.close()
        return Place("", "query")


class TestSquad(SourceContract):
    component = Squad
    rows, columns = 24, ("id", "title", "context", "question", "answers")

    def place(self, folder):
        questions = [
            {
                "id": str(number),
                "question": row["question"],
                "answers": [{"text": answer["text"], "answer_start": answer["start"]} for answer in row["answers"]],
            }
            for number, row in enumerate(toys.question_table().to_pylist())
        ]
        contexts = toys.question_table()["context"].to_pylist()
        paragraphs = [{"context": context, "qas": [asked]} for context, asked in zip(contexts, questions, strict=True)]
        text = json.dumps({"version": "2.0", "data": [{"title": "toys", "paragraphs": paragraphs}]})
        return written(folder, "questions.json", text)
