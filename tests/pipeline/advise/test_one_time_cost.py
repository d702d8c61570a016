"""A little of what is read once stands for all of it."""

from __future__ import annotations

import numpy as np
import pytest

from dianji.adapt.last_layers import LastLayers
from dianji.engine.frozen.shapes import NotSplittable
from dianji.engine.frozen.state_store import graph_split_of, in_memory
from dianji.engine.frozen.states import Reader
from dianji.engine.runtime import make_runtime
from dianji.pipeline.advise import one_time_cost
from dianji.pipeline.advise.one_time_cost import fit_some, read, read_some, renumbered
from dianji.reporting import Silent
from dianji.tasks.text_classification import TextClassification
from tests.engine.frozen.conftest import Made


def test_some_rows_say_what_they_say_among_all(tmp_path):
    reader = Made(tmp_path).reader()
    cut = graph_split_of(reader)
    rows = np.array([3, 20, 7])
    found, whole = read(cut, reader, rows), in_memory(cut, reader, Silent(), "")
    assert found.examples["row"].to_pylist() == rows.tolist()
    # A forecast claims no more: which rows share a product may change the last bits on some processor.
    np.testing.assert_allclose(found.states.rows(), whole.rows()[rows], rtol=1e-4, atol=1e-5)
    assert found.seconds_per_token > 0


def test_as_many_as_are_asked_for_or_take_so_long(tmp_path, monkeypatch):
    reader = Made(tmp_path).reader()
    cut = graph_split_of(reader)
    assert read_some(cut, reader).examples.num_rows == 24
    monkeypatch.setattr(one_time_cost, "MOST_READ", 5)
    few = read_some(cut, reader).examples["row"].to_pylist()
    assert 5 <= len(set(few)) == len(few) < 24
    monkeypatch.setattr(one_time_cost, "MOST_SECONDS", 0.0)
    assert 1 <= read_some(cut, reader).examples.num_rows < 24


def test_a_fit_to_more_rows_takes_longer_and_more_memory(tmp_path, monkeypatch):
    job = Made(tmp_path).job()
    reader = Reader(job.task, job.base, job.model.model, make_runtime("fp32"), job.examples)
    some = read_some(graph_split_of(reader), reader)
    asked = []

    def pretended(rows, count, classes):
        asked.append(count)
        return count * 1e-3

    monkeypatch.setattr(one_time_cost, "seconds_per_pass", pretended)
    one, many = (fit_some(job, some, {"train": count, "validation": 9}, tmp_path) for count in (24, 24_000))
    assert set(asked) == {19, 24, 24_000}  # a fifth was held out
    assert many.seconds > 10 * one.seconds
    assert many.more_mb > one.more_mb > 0
    assert 0 < one.iterations <= one.passes


def test_a_head_that_cannot_be_fitted_is_refused(tmp_path):
    made = Made(tmp_path, task=TextClassification(pooling="mean"), adaptation=LastLayers(1))
    job, reader = made.job(), made.reader()
    with pytest.raises(NotSplittable):
        fit_some(job, read_some(graph_split_of(reader), reader), {"train": 24, "validation": 9}, tmp_path)


def test_rows_are_numbered_anew():
    rows, steps = renumbered([[np.array([40, 7])], [np.array([7, 100]), np.array([8])]])
    assert rows.tolist() == [7, 8, 40, 100]
    assert [[batch.tolist() for batch in step] for step in steps] == [[[2, 0]], [[0, 3], [1]]]
