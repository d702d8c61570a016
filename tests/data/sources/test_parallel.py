import gzip

import pytest

from dianji.data.findings import Findings
from dianji.data.read import digest, load
from dianji.data.sniff import folder_format
from dianji.data.source import SOURCE, SPLIT, Place
from dianji.data.sources.parallel import Parallel
from dianji.errors import DataError
from dianji.spec.data import Data, Split
from dianji.tasks.text_to_text import TextToText


def write(folder, **files):
    for name, lines in files.items():
        (folder / name.replace("_", ".")).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder


def read(path, **options):
    findings = Findings()
    table = Parallel(**options).read(Place(str(path), path.name), "auto", findings)
    findings.check()
    return table, findings


def test_a_file_brings_its_counterpart(tmp_path):
    write(tmp_path, train_en=["a b", "c"], train_de=["A B", "C"])
    table, _ = read(tmp_path / "train.en")
    assert table["text"].to_pylist() == ["a b", "c"]
    assert table["target"].to_pylist() == ["A B", "C"]
    assert table[SOURCE].to_pylist() == ["train.en, line 1", "train.en, line 2"]
    assert SPLIT not in table.column_names
    assert read(tmp_path / "train.de")[0]["text"].to_pylist() == ["A B", "C"]


def test_the_target_is_chosen_where_there_are_several(tmp_path):
    write(tmp_path, train_en=["a"], train_de=["A"], train_fr=["F"])
    with pytest.raises(DataError, match=r"found train\.de, train\.fr\. Write options: \{target: de\}"):
        read(tmp_path / "train.en")
    assert read(tmp_path / "train.en", target="fr")[0]["target"].to_pylist() == ["F"]
    with pytest.raises(DataError, match=r"no file train\.it"):
        read(tmp_path / "train.en", target="it")


def test_a_folder_is_pairs_that_may_be_splits(tmp_path):
    write(
        tmp_path, train_en=["a", "b"], train_zh=["甲", "乙"], val_en=["c"], val_zh=["丙"], test_en=["d"], test_zh=["丁"]
    )
    assert folder_format(tmp_path) == "parallel"
    table, findings = read(tmp_path)
    assert table[SPLIT].to_pylist() == ["test", "train", "train", "validation"]
    assert "from en to zh" in findings.warnings[0]
    assert "source: zh, target: en" in findings.warnings[0]
    turned, silent = read(tmp_path, source="zh")
    assert turned["text"].to_pylist() == ["丁", "甲", "乙", "丙"]
    assert not silent.warnings


def test_src_and_tgt_say_their_direction(tmp_path):
    write(tmp_path, a_tgt=["A"], a_src=["a"])
    table, findings = read(tmp_path)
    assert table["text"].to_pylist() == ["a"]
    assert not findings.warnings


def test_gzipped_files_are_read(tmp_path):
    for name, text in (("train.en.gz", "a\nb\n"), ("train.de.gz", "A\nB\n")):
        (tmp_path / name).write_bytes(gzip.compress(text.encode()))
    assert folder_format(tmp_path / "train.en.gz") == "parallel"
    assert read(tmp_path / "train.en.gz")[0]["target"].to_pylist() == ["A", "B"]
    (tmp_path / "train.de.gz").write_bytes(b"\x1f\x8b broken")
    with pytest.raises(DataError, match="cannot be read as gzip"):
        read(tmp_path / "train.en.gz")


@pytest.mark.parametrize(
    ("targets", "told"),
    [
        (["A", "B"], "Line 3 is the first one without a counterpart"),
        (["", "A", "B", "C"], "Line 1 is the first one that is empty on one side alone"),
    ],
)
def test_different_numbers_of_lines_are_refused(tmp_path, targets, told):
    write(tmp_path, train_en=["a", "b", "c"], train_de=targets)
    with pytest.raises(DataError, match=rf"train\.en has 3 lines, train\.de has {len(targets)}.*{told}"):
        read(tmp_path / "train.en")


def test_what_is_no_pair_is_not_taken_for_one(tmp_path):
    write(tmp_path, notes_md=["x"], notes_py=["y"], train_en=["a"])
    assert folder_format(tmp_path) is None
    assert folder_format(tmp_path / "notes.md") is None
    assert folder_format(tmp_path / "train.en") is None
    with pytest.raises(DataError, match="expected a name such as"):
        read(tmp_path / "notes.py")
    with pytest.raises(DataError, match="holds no pair"):
        read(tmp_path)


def test_rows_come_by_the_line_and_the_digest_knows_both_files(tmp_path):
    write(tmp_path, train_en=["a", "b", "c"], train_de=["A", "B", "C"], val_en=["d"], val_de=["D"])
    split = Split(validation=str(tmp_path / "val.en"), test=0.34)
    spec = Data(path=str(tmp_path / "train.en"), split=split)
    loaded = load(spec, TextToText().columns, seed=0, name="pairs")
    assert {name: table.num_rows for name, table in loaded.splits.items()} == {"train": 2, "validation": 1, "test": 1}
    before = digest(spec)
    assert before == loaded.digest
    write(tmp_path, train_de=["A", "B", "X"])
    assert digest(spec) != before
