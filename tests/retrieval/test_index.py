"""An index from documents to hits: made once, resumed, refused with another model, searched in every way."""

from __future__ import annotations

import json
import os
import shutil
import signal
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import load_file, save_file

import dianji
from dianji import verbs
from dianji.artefact.opened import Model
from dianji.errors import ArtefactError, BaseError, CapabilityError, DataError, RecipeError, StoreError
from dianji.reporting import Silent
from dianji.retrieval import approximate, build
from dianji.retrieval.encoder import Encoder
from dianji.retrieval.opened import Index
from dianji.retrieval.probe import Probe, reproduce_elsewhere
from dianji.store.digest import digest_files
from dianji.store.steps import Store
from dianji.tasks.sentence_embedding import SentenceEmbedding
from dianji.testing import toys
from tests.artefact.conftest import GOLDEN
from tests.retrieval.conftest import TEXTS, write_documents

ARTEFACT = GOLDEN / "artefact"


def test_a_passage_knows_its_place(dense):
    index = Index.open(dense)
    for way in index.ways:
        for hit in index.search(["where is my card"], 5, by=way)[0]:
            number = int(hit.id.removeprefix("d"))
            assert hit.source == f"documents.csv, line {number + 2}"
            assert hit.text == TEXTS[number][hit.start : hit.stop]
    assert len(index.passages) > len(TEXTS), "the long document has several passages"


def test_vectors_are_those_of_the_task(dense, toy_model):
    index, model = Index.open(dense), Encoder.open(str(toy_model))
    texts = [index.passage(number) for number in range(len(index.passages))]
    again, cut = model.passages(texts)
    assert cut == 0
    np.testing.assert_allclose(index.vectors, again, atol=1e-6)
    ranking = index.rank(["where is my card"], len(texts), by="vectors")
    cosines = again.astype(np.float64) @ model.queries(["where is my card"])[0].astype(np.float64)
    np.testing.assert_allclose(ranking.scores[0], np.sort(cosines)[::-1], atol=1e-6)


def test_queries_and_passages_are_read_behind_their_own_prompts():
    base, table = toys.text_base(), pa.table({"text": ["my card"]})
    embedder = SentenceEmbedding(prompt="where ", partner_prompt="please ").embedder(base)
    plain = SentenceEmbedding(prompt="", partner_prompt="")
    for side, prompt in ((embedder.query, "where "), (embedder.passage, "please ")):
        expected = plain.encode(pa.table({"text": [f"{prompt}my card"]}), base)
        assert side.encode(table, base)["input_ids"] == expected["input_ids"]
    assert embedder.length == 32 - 2 - 1  # two special tokens, and the prompt


@pytest.mark.usefixtures("prove_here")
def test_a_base_without_a_pooler_is_whole_and_one_without_a_layer_is_not(documents, toy_model, tmp_path):
    for name, lacks in (("pooler", "pooler."), ("layer", "encoder.layer.1.output.dense")):
        place = shutil.copytree(toy_model, tmp_path / name)
        held = load_file(place / "model.safetensors")
        kept = {key: value for key, value in held.items() if lacks not in key}
        assert len(kept) < len(held)
        save_file(kept, place / "model.safetensors", metadata={"format": "pt"})
    assert verbs.index(str(documents), tmp_path / "index", model=tmp_path / "pooler").model == "pooler"
    with pytest.raises(BaseError, match="2 are missing"):
        verbs.index(str(documents), tmp_path / "other", model=tmp_path / "layer")


def test_hybrid_is_the_default_and_python_has_it_all(dense):
    index = dianji.Index.open(dense)
    assert index.ways == ("bm25", "vectors", "hybrid")
    assert index.search(["refund"], 3) == index.search(["refund"], 3, by="hybrid")
    (found,) = dianji.search(dense, ["refund"], k=3)
    assert list(found.hits) == index.search(["refund"], 3)[0]
    assert found.hits[0].to_json()["rank"] == 1


def test_a_scorer_reads_the_first_hits_again(dense):
    class Shortest:
        def scores(self, pairs):
            assert all(query == "refund" for query, _ in pairs)
            return np.array([-len(text) for _, text in pairs])

    index = Index.open(dense)
    before = index.search(["refund"], 8, by="bm25")[0]
    after = index.search(["refund"], 3, by="bm25", rerank=Shortest(), depth=8)[0]
    assert [len(hit.text) for hit in after] == sorted(len(hit.text) for hit in before)[:3]
    with pytest.raises(RecipeError, match="depth: expected at least k = 10"):
        index.search(["refund"], 10, rerank=Shortest(), depth=8)


def test_bm25_alone_needs_no_model(documents, tmp_path, prove_here):
    made = verbs.index(str(documents), tmp_path / "index")
    assert (made.model, made.ways) == (None, ("bm25",))
    index = Index.open(made.index)
    assert index.search(["refund"], 1)[0][0].text.count("refund")
    assert index.search(["nothing known"], 1) == [[]]
    with pytest.raises(CapabilityError, match="holds no vectors, so it ranks by bm25 alone"):
        index.search(["refund"], by="hybrid")
    with pytest.raises(CapabilityError, match="searched without a model"):
        Index.open(made.index, model="minilm")
    assert verbs.verify(made.index).ok


def test_the_same_call_again_does_nothing(documents, toy_model, tmp_path, prove_here, monkeypatch):
    first = verbs.index(str(documents), tmp_path / "index", model=toy_model)
    bytes_of = digest_files(first.index)
    monkeypatch.setattr(Encoder, "passages", None)
    again = verbs.index(str(documents), tmp_path / "index", model=toy_model)
    assert (first.reused, again.reused) == (False, True)
    assert digest_files(again.index) == bytes_of
    (entry,) = (entry for entry in Store.default().ledger.entries() if entry["event"] == "indexed")
    assert entry["artefact"] == bytes_of["dianji.json"]


def test_what_is_there_is_not_replaced_unasked(documents, toy_model, tmp_path, prove_here):
    target = tmp_path / "index"
    verbs.index(str(documents), target)
    with pytest.raises(StoreError, match=r"another index is there already.*--force"):
        verbs.index(str(documents), target, model=toy_model)
    assert verbs.index(str(documents), target, model=toy_model, force=True).ways[-1] == "hybrid"
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine")
    with pytest.raises(StoreError, match="something that is no index is there already"):
        verbs.index(str(documents), tmp_path / "notes", force=True)
    assert (tmp_path / "notes" / "a.txt").read_text() == "mine"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_killed_index_goes_on_and_ends_with_the_same_bytes(documents, toy_model, tmp_path, prove_here, monkeypatch):
    monkeypatch.setattr(build, "AT_ONCE", 5)
    whole = verbs.index(str(documents), tmp_path / "whole", model=toy_model)
    target, save, encoded = tmp_path / "index", build._save, []

    def dies(file, vectors, cut):
        save(file, vectors, cut)
        if "000002" in file.name:
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        monkeypatch.setattr(build, "_save", dies)
        verbs.index(str(documents), target, model=toy_model)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert not target.exists()
    passages = Encoder.passages

    def counted(self, texts, meter=None):
        encoded.append(len(texts))
        return passages(self, texts, meter)

    monkeypatch.setattr(Encoder, "passages", counted)
    made = verbs.index(str(documents), target, model=toy_model)
    assert sum(encoded) == made.passages - 15
    same = [{**digest_files(folder), "dianji.json": ""} for folder in (whole.index, made.index)]
    assert same[0] == same[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index", "whole"], "nothing is left beside them"
    cache = Store.default().home / "cache"
    assert [path.name for path in cache.iterdir() if path.is_dir()] == []


def test_an_index_that_is_not_reproduced_is_not_left(documents, tmp_path, monkeypatch):
    def differs(folder, model=None):
        raise ArtefactError("differs")

    monkeypatch.setattr(build, "reproduce_elsewhere", differs)
    with pytest.raises(ArtefactError, match="differs"):
        verbs.index(str(documents), tmp_path / "index")
    assert list(tmp_path.iterdir()) == []


class TestAnotherModel:
    def test_is_refused_where_it_is_named(self, dense, other_model):
        with pytest.raises(ArtefactError, match=r"holds vectors of the model toy .*is another one.*--model"):
            Index.open(dense, model=str(other_model))

    def test_is_refused_where_it_took_the_place_of_the_first(
        self, documents, toy_model, other_model, tmp_path, prove_here
    ):
        place = shutil.copytree(toy_model, tmp_path / "model")
        made = verbs.index(str(documents), tmp_path / "index", model=place)
        shutil.rmtree(place)
        shutil.copytree(other_model, place)
        index = Index.open(made.index)
        assert index.search(["refund"], 1, by="bm25")[0], "which needs no vectors"
        with pytest.raises(ArtefactError, match="Vectors of two models cannot be compared"):
            index.search(["refund"], 1)
        checks = {check.name: check.state for check in verbs.verify(made.index).checks}
        assert checks["model"] == "failed"
        assert checks["probe"] == "not made"

    def test_a_copy_of_the_model_is_none(self, dense, toy_model, tmp_path):
        copy = shutil.copytree(toy_model, tmp_path / "copy")
        assert Index.open(dense, model=str(copy)).search(["refund"], 3) == Index.open(dense).search(["refund"], 3)


def test_an_artefact_of_another_task_gives_no_vectors(documents, tmp_path):
    with pytest.raises(CapabilityError, match="a model of text-classification gives no vectors of texts"):
        verbs.index(str(documents), tmp_path / "index", model=ARTEFACT)


def test_an_index_is_no_model(dense):
    with pytest.raises(ArtefactError, match="an index of documents, not a model"):
        Model.open(dense)
    with pytest.raises(ArtefactError, match="a model, not an index"):
        Index.open(ARTEFACT)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"length": 31}, "the model reads 30 tokens of a passage, found 31"),
        ({"length": 0}, "length: expected at least 1"),
        ({"overlap": 20}, "overlap: expected 0 to 15"),
        ({"engine": "annoy"}, "there is no engine 'annoy'.*Known: exact, faiss"),
        ({"encoding": "klingon"}, "encoding: expected auto"),
    ],
)
def test_arguments_out_of_range(arguments, told, documents, toy_model, tmp_path):
    with pytest.raises(RecipeError, match=told):
        verbs.index(str(documents), tmp_path / "index", model=toy_model, **arguments)


def test_queries_out_of_range(dense):
    index = Index.open(dense)
    with pytest.raises(DataError, match="query 2: the text is empty"):
        index.search(["card", " "])
    with pytest.raises(RecipeError, match="--k: expected at least 1, found 0"):
        index.search(["card"], 0)
    with pytest.raises(RecipeError, match=r"there is no ranking 'vector'\. Did you mean 'vectors'"):
        index.search(["card"], by="vector")
    with pytest.raises(DataError, match=r"Write \[text\]"):
        index.search("card")


@pytest.mark.usefixtures("prove_here")
def test_texts_that_the_model_cannot_read_are_told(toy_model, tmp_path):
    class Log(Silent):
        warned: ClassVar[list[str]] = []

        def warn(self, message):
            self.warned.append(message)

    path = write_documents(tmp_path / "documents.csv", ["银行卡丢了。", "我的卡在哪里？"])
    verbs.index(str(path), tmp_path / "index", model=toy_model, reporter=Log())
    assert "tokens" in Log.warned[0]
    assert "passages" in Log.warned[0]


def test_faiss_is_measured_and_stored(documents, toy_model, tmp_path, prove_here, monkeypatch):
    pytest.importorskip("faiss")
    with pytest.raises(CapabilityError, match="expected at least 4,000, found"):
        verbs.index(str(documents), tmp_path / "index", model=toy_model, engine="faiss")
    with pytest.raises(CapabilityError, match="vectors, which need a model"):
        verbs.index(str(documents), tmp_path / "index", engine="faiss")
    monkeypatch.setattr(approximate, "LEAST", 80)
    many = [f"{text} {' '.join(TEXTS[number % 7].split()[: number % 5])}" for number, text in enumerate(TEXTS * 7)]
    made = verbs.index(
        str(write_documents(tmp_path / "many.csv", many)), tmp_path / "index", model=toy_model, engine="faiss"
    )
    assert made.approximate is not None
    assert made.approximate["recall_at_10"] >= 0.95
    index = Index.open(made.index)
    assert index.lists is not None
    assert index.lists.probes == made.approximate["probes"]
    assert len(index.search(["where is my card"], 10, by="vectors")[0]) == 10
    checked = verbs.verify(made.index)
    assert checked.ok, checked.faults


def test_the_probe_is_reproduced_by_a_process_that_has_only_the_folder(dense):
    assert reproduce_elsewhere(dense).difference == 0


def test_a_probe_notices_other_vectors_and_other_hits(dense, tmp_path):
    index, probe = Index.open(dense), Probe.read(dense)
    assert probe.reproduce(index) == 0
    copy = shutil.copytree(dense, tmp_path / "copy")
    document = json.loads((copy / "probe.json").read_text())
    document["rankings"]["vectors"][0]["scores"][0] += 0.01
    (copy / "probe.json").write_text(json.dumps(document))
    with pytest.raises(ArtefactError, match=r"not reproduced by vectors: a score of query 1 differs by 1\.0e-02"):
        Probe.read(copy).reproduce(index)
    del document["rankings"]["bm25"]
    (copy / "probe.json").write_text(json.dumps(document))
    with pytest.raises(ArtefactError, match="its probe does not cover"):
        Probe.read(copy).reproduce(index)
