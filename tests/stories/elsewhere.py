"""An artefact opened by transformers, sentence-transformers and peft, through whatever its folder advertises."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

import dianji
from dianji.artefact.opened import Model
from dianji.bases.loading import is_optional
from dianji.bases.weights import weight_names


def check(artefact: Path, table: pa.Table) -> None:
    """Each advertised way gives what Dianji gives; nothing else promises a classifier."""
    front = front_matter(artefact)
    config = json.loads((artefact / "config.json").read_text(encoding="utf-8"))
    if front["library_name"] == "transformers":
        _by_transformers(artefact, front.get("pipeline_tag", ""), table)
    if front["library_name"] == "sentence-transformers":
        _by_sentence_transformers(artefact, table)
    classifies = str(config["architectures"][0]).endswith("Classification")
    assert classifies or "id2label" not in config, "labels in the configuration of a model that is no classifier"
    assert classifies or not str(front.get("pipeline_tag", "")).endswith("-classification")
    if (artefact / "adapter").is_dir():
        _by_peft(artefact)


def front_matter(artefact: Path) -> dict[str, Any]:
    """Of the model card."""
    found: dict[str, Any] = yaml.safe_load((artefact / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    return found


def _by_transformers(artefact: Path, tag: str, table: pa.Table) -> None:
    from transformers import pipeline

    model = dianji.open(artefact)
    if not tag:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        opened = pipeline(tag, model=str(artefact))  # type: ignore[call-overload]  # the tag is no literal
    own, theirs = model.network.state_dict(), opened.model.state_dict()
    assert set(own) == set(theirs)
    assert all(np.array_equal(own[name].numpy(), theirs[name].numpy()) for name in own), "a weight is another one"
    if tag == "token-classification":
        _tags_by_pipeline(model, opened, table.slice(0, 4))
    if tag not in ("text-classification", "image-classification"):
        return
    rows = table.slice(0, 4)
    said = model.predict(rows.select(list(model.task.inputs)))
    values = _inputs(model, rows)
    given = [_picture(value) if isinstance(value, bytes) else _asked(value) for value in values]
    length = getattr(model.task, "length", None)  # toy pairs may be longer than it, or than a toy base
    cut = {"truncation": True, **({"max_length": length} if length else {})} if isinstance(values[0], tuple) else {}
    for row, prediction in zip(given, said, strict=True):
        answers = {answer["label"]: answer["score"] for answer in opened(row, top_k=None, **cut)}
        expected = prediction.to_json(everything=True)["probabilities"]
        assert set(answers) == set(expected)
        assert all(abs(answers[label] - expected[label]) < 1e-4 for label in expected), (answers, expected)


def _inputs(model: Model, rows: pa.Table) -> list[Any]:
    """The values of the input column; where there are several, tuples of them."""
    columns = [rows[name].to_pylist() for name in model.task.inputs if name in rows.column_names]
    return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))


def _asked(value: Any) -> Any:
    """As a pipeline takes it."""
    return dict(zip(("text", "text_pair"), value, strict=True)) if isinstance(value, tuple) else value


def _tags_by_pipeline(model: Model, opened: Any, rows: pa.Table) -> None:
    """The likeliest tag of each word's first token, where the pipeline reads the text as the same tokens."""
    rows = rows.select([name for name in model.task.inputs if name in rows.column_names])
    examples, scores = model.task.encode(rows, model.base), model.outputs(rows)["scores"]
    assert examples.num_rows == rows.num_rows, "toy rows are one window each"
    for row, text in enumerate(model.task.corpus(rows)["text"].to_pylist()):
        tokens = examples["input_ids"][row].as_py()
        if opened.tokenizer(text)["input_ids"] != tokens:
            continue
        answers = {answer["index"]: answer["score"] for answer in opened(text, ignore_labels=[])}
        first = examples["firsts"][row].as_py()
        assert np.allclose([answers[place] for place in first], np.exp(scores[row].max(axis=1)), atol=1e-4)


def _by_sentence_transformers(artefact: Path, table: pa.Table) -> None:
    from sentence_transformers import SentenceTransformer

    model = dianji.open(artefact)
    texts = _inputs(model, table.slice(0, 4))
    expected = model.outputs(table.slice(0, 4).select(list(model.task.inputs)))
    (values,) = (value for value in expected.values() if value.ndim == 2)
    found = SentenceTransformer(str(artefact), device="cpu").encode(texts)
    assert np.allclose(found, values, atol=1e-4)


def _by_peft(artefact: Path) -> None:
    """The adapter on the base that it names has the merged weights' outputs in the trunk."""
    from peft import AutoPeftModel

    folder = artefact / "adapter"
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"]
    if config["auto_mapping"] is None:
        return
    labels = json.loads((artefact / "config.json").read_text(encoding="utf-8")).get("id2label", ())
    heads = {"num_labels": len(labels)} if labels and config["modules_to_save"] else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adapted = AutoPeftModel.from_pretrained(str(folder), **heads).merge_and_unload().state_dict()
    merged = dianji.open(artefact).network.state_dict()
    if any(name.startswith("backbone.") for name in merged):  # the rest is for training, such as a denoising decoder
        merged = {name.removeprefix("backbone."): of for name, of in merged.items() if name.startswith("backbone.")}
    # A pooler that the base lacks is drawn anew by whoever opens it, and not read.
    held = weight_names(Path(config["base_model_name_or_path"]))
    common = {
        name
        for name in adapted.keys() & merged.keys()
        if not is_optional(name) or any(of.endswith(name) for of in held)
    }
    assert len(common) > 0.7 * len(merged)
    apart = {name: float((adapted[name] - merged[name]).abs().max()) for name in common}
    worst = max(apart, key=lambda name: apart[name])
    assert apart[worst] < 1e-5, f"{worst} differs by {apart[worst]:g} at a size of {merged[worst].abs().max():g}"


def _picture(value: bytes) -> Any:
    from PIL import Image

    return Image.open(io.BytesIO(value))
