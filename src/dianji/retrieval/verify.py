"""Verifies an index: files, formats, that they agree with each other, its model, and its probe in a fresh process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pydantic

from dianji.artefact.manifest import NAME
from dianji.artefact.verify import files, formats
from dianji.artefact.verify.subject import Faults
from dianji.artefact.verify.verdict import Check, Verification
from dianji.errors import ArtefactError, DianjiError
from dianji.registry import explain
from dianji.reporting import Reporter
from dianji.retrieval import opened
from dianji.retrieval.documents import SCHEMA, Documents, read_documents
from dianji.retrieval.encoder import Encoder
from dianji.retrieval.manifest import IndexManifest
from dianji.retrieval.opened import Index
from dianji.retrieval.probe import TOLERANCE, reproduce_elsewhere

#: Name -> what is looked at.
ABOUT = {
    "manifest": "dianji.json is whole and of a format that is known here",
    "files": "the files are those of the manifest, by sha256; none is missing, added or a link",
    "formats": "Arrow, safetensors, JSON and FAISS's lists only; no pickles, no code, no NaN",
    "contents": "documents, passages, terms and vectors agree with each other and with the manifest",
    "model": "the model whose vectors these are is where the manifest says, by digest",
    "probe": "a fresh process with only the folder finds the hits of the probe",
    "documents": "the given documents are those of the index, by digest",
}
#: Rows of vectors whose lengths are looked at together.
_BLOCK = 65536


def verify(
    folder: Path,
    *,
    data: str | None,
    columns: Mapping[str, str] | None,
    reporter: Reporter,
) -> Verification:
    """Make every possible check.

    Args:
        folder: the index.
        data: documents, to compare with those of the index.
        columns: their ``text`` and ``id``.
        reporter: hears warnings about ``data``.

    Raises:
        DataError: the documents cannot be read.
    """
    faults = Faults()
    manifest = _manifest(folder, faults)
    made = [_check("manifest", faults)]
    wanted = [name for name in ABOUT if name != "documents" or data is not None]
    if manifest is None:
        return Verification(folder, (*made, *_skipped(wanted[1:], "manifest")))
    steps: Mapping[str, Callable[[Faults], str | None]] = {
        "files": partial(_files, folder, manifest),
        "formats": partial(_formats, folder),
        "contents": partial(_contents, folder, manifest),
        "model": partial(_model, manifest),
        "probe": partial(_probe, folder),
    }
    for name, step in steps.items():
        made.append(_made(name, step))
        if made[-1].faults:
            return Verification(folder, (*made, *_skipped(wanted[len(made) :], name)))
    if data is not None:
        made.append(_made("documents", partial(_documents, manifest, data, columns, reporter)))
    return Verification(folder, tuple(made))


def _manifest(folder: Path, faults: Faults) -> IndexManifest | None:
    try:
        manifest = IndexManifest.read(folder)
        pydantic.TypeAdapter(IndexManifest).validate_json((folder / NAME).read_bytes(), strict=True)
    except ArtefactError as error:
        faults.add(NAME, str(error).removeprefix(f"{folder / NAME}: "))
        return None
    except pydantic.ValidationError as error:
        for fault in explain(error):
            faults.add(NAME, fault)
        return None
    return manifest


def _files(folder: Path, manifest: IndexManifest, faults: Faults) -> None:
    names = {opened.DOCUMENTS, opened.PASSAGES, "bm25.safetensors", "terms.json", "probe.json"}
    names |= {opened.VECTORS} if manifest.model is not None else set()
    names |= {opened.LISTS} if manifest.approximate is not None else set()
    files.compare(folder, manifest.files, names, faults)


def _formats(folder: Path, faults: Faults) -> None:
    for name in files.regular_files(folder):
        if name not in (opened.DOCUMENTS, opened.LISTS):  # FAISS checks the latter when it is read
            for told in formats.faults_of(folder / name):
                faults.add(name, told)
    with faults.at(opened.DOCUMENTS):
        try:
            schema = pa.ipc.open_file(pa.memory_map(str(folder / opened.DOCUMENTS))).schema
        except pa.ArrowInvalid as error:
            raise ArtefactError(f"is not an Arrow file ({error})") from error
        faults.expect(opened.DOCUMENTS, "columns", str(schema), str(SCHEMA))


def _contents(folder: Path, manifest: IndexManifest, faults: Faults) -> None:
    index = Index(folder, manifest)
    with faults.at(opened.DOCUMENTS):
        documents = Documents.read(folder / opened.DOCUMENTS)
        documents.table.validate(full=True)
        faults.expect(opened.DOCUMENTS, "documents", len(documents), manifest.documents.count)
        faults.expect(opened.DOCUMENTS, "digest", documents.digest, manifest.documents.digest)
    with faults.at(opened.PASSAGES):
        passages = index.passages
        faults.expect(opened.PASSAGES, "passages", len(passages), manifest.passages.count)
        lengths = np.array([len(text) for text in documents], dtype=np.int64)
        inside = (passages.start >= 0) & (passages.start < passages.stop) & (passages.document >= 0)
        inside &= passages.document < len(lengths)
        if not inside.all() or (passages.stop > lengths[passages.document]).any():
            faults.add(opened.PASSAGES, "a passage lies outside of its document")
        elif (np.diff(passages.document) < 0).any():
            faults.add(opened.PASSAGES, "passages are not in the order of their documents")
    with faults.at("bm25.safetensors"):
        counted = index.bm25
        faults.expect("bm25.safetensors", "passages", counted.size, manifest.passages.count)
        sound = len(counted.ends) == len(counted.terms) + 1 and int(counted.ends[-1]) == len(counted.passages)
        sound = sound and len(counted.passages) == len(counted.weights) and bool((np.diff(counted.ends) >= 0).all())
        if not sound or (counted.passages < 0).any() or (counted.passages >= counted.size).any():
            faults.add("bm25.safetensors", "terms and passages do not belong together")
    if manifest.model is not None:
        with faults.at(opened.VECTORS):
            shape = (manifest.passages.count, manifest.model.width)
            faults.expect(opened.VECTORS, "shape", index.vectors.shape, shape)
            for start in range(0, len(index.vectors), _BLOCK):
                length = np.linalg.norm(index.vectors[start : start + _BLOCK], axis=1)
                if not (np.abs(length - 1) < 1e-3).all():
                    faults.add(opened.VECTORS, "a vector is not of length one")
                    break
    if manifest.approximate is not None:
        with faults.at(opened.LISTS):
            _ = index.lists


def _model(manifest: IndexManifest, faults: Faults) -> str | None:
    if manifest.model is None:
        return "it needs none: it ranks by BM25 alone"
    record = manifest.model
    with faults.at(f"{NAME}: model"):
        found = Encoder.open(record.spec)
        faults.expect(f"{NAME}: model", record.spec, found.digest, record.digest)
    return None


def _probe(folder: Path, faults: Faults) -> str | None:
    with faults.at("probe.json"):
        worst = reproduce_elsewhere(folder).difference
        return f"largest difference {worst:.1e}, at most {TOLERANCE:.0e} is allowed"
    return None


def _documents(
    manifest: IndexManifest, data: str, columns: Mapping[str, str] | None, reporter: Reporter, faults: Faults
) -> None:
    given = read_documents(data, columns=columns, drop_empty=True, warn=reporter.warn)
    faults.expect(data, "digest of the documents", given.digest, manifest.documents.digest)


def _made(name: str, check: Callable[[Faults], str | None]) -> Check:
    faults, note = Faults(), None
    try:
        note = check(faults)
    except DianjiError as error:
        if name == "documents":
            raise
        faults.add(name, str(error))
    return _check(name, faults, note)


def _check(name: str, faults: Faults, note: str | None = None) -> Check:
    return Check(name, ABOUT[name], tuple(dict.fromkeys(faults.found)), (note,) if note and not faults.found else ())


def _skipped(names: list[str], failed: str) -> list[Check]:
    told = f"the check '{failed}' failed, so nothing of the folder is relied on for it"
    return [Check(name, ABOUT[name], skipped=told) for name in names]
