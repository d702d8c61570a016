"""What is kept changes nothing that is learnt: to the byte on a CPU in fp32, however long the texts are."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from dianji.adapt.full import Full
from dianji.adapt.last_layers import LastLayers
from dianji.adapt.lora import Lora
from dianji.engine.job import Trained
from dianji.engine.learn import LearningPlan, learn
from dianji.engine.loop import Training
from dianji.engine.runtime import make_runtime
from dianji.errors import CapabilityError
from dianji.store.events import Events
from dianji.tasks.image_classification import ImageClassification
from dianji.tasks.text_classification import TextClassification
from dianji.testing import toys
from tests.engine.frozen.conftest import Log, Made, images

DIGESTS = {"train": "one", "validation": "two"}
LOOP: dict[str, Any] = {"solver": "loop"}


def resnet_base():
    from transformers import ResNetConfig

    base = toys.image_base()
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    card = dataclasses.replace(base.card, architecture="resnet")
    return dataclasses.replace(base, config=config, card=card)


STAGES: dict[str, Any] = {
    "frozen": lambda folder: Made(folder),
    "frozen, its own head": lambda folder: Made(folder, task=TextClassification(pooling="native")),
    "last layers": lambda folder: Made(folder, adaptation=LastLayers(1)),
    "lora on top": lambda folder: Made(folder, adaptation=Lora(rank=2, targets=("layer.1.attention.self.query",))),
    "vit": lambda folder: images(folder, adaptation=LastLayers(1)),
    "resnet": lambda folder: images(folder, base=resnet_base, adaptation=LastLayers(1)),
    "frozen resnet": lambda folder: images(folder, base=resnet_base),
}


def run(made: Made, name: str, log: Log | None = None, *, optimum: bool = False, **train: Any):
    made = dataclasses.replace(made, train={**made.train, **train})
    job = made.job()
    folder = made.folder / name
    folder.mkdir(exist_ok=True)
    course = LearningPlan(optimum, DIGESTS)
    trained = learn(job, course, make_runtime(made.precision), folder, made.store(log))
    return trained, job.model.model.state_dict()


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("stage", STAGES)
def test_kept_or_not_the_bytes_are_the_same(stage, tmp_path, log):
    made = STAGES[stage](tmp_path)
    _, before = made.job(), made.job().model.model.state_dict()
    _, uncached = run(made, "off", log, cache="off", **LOOP)
    assert not [line for line in log.said if "validation accuracy" not in line and "fast layers" not in line]
    assert not (tmp_path / "cache").exists()
    _, cached = run(made, "first", log, **LOOP)
    assert sum("computed once" in line for line in log.said) == 2
    _, again = run(made, "again", log, **LOOP)
    assert sum("read from the cache" in line for line in log.said) == 2
    assert same(cached, uncached)
    assert same(again, uncached)
    assert not same(cached, before)
    assert not log.warned


@pytest.mark.parametrize("stage", STAGES)
def test_the_result_is_that_of_the_plain_loop(stage, tmp_path):
    made = STAGES[stage](tmp_path)
    _, cached = run(made, "cached", **LOOP)
    job = made.job()
    (tmp_path / "plain").mkdir()
    Training(job, make_runtime("fp32"), tmp_path / "plain", Log()).run()
    for name, expected in job.model.model.state_dict().items():
        torch.testing.assert_close(cached[name], expected, rtol=0, atol=2e-4, msg=name)


def test_validation_is_scored_with_what_is_kept(tmp_path):
    made = Made(tmp_path)
    run(made, "cached", **LOOP)
    run(made, "off", cache="off", **LOOP)
    scores = [
        [event for event in Events(tmp_path / name / "events.jsonl").read() if event["event"] == "evaluation"]
        for name in ("cached", "off")
    ]
    assert len(scores[0]) == 3
    assert scores[0] == scores[1]


def test_says_why_the_whole_model_runs(tmp_path, log):
    flipped = images(tmp_path, task=ImageClassification(flip=True, crop=0))
    run(flipped, "flipped", log, **LOOP)
    assert "drawn anew in every epoch" in log.said[0]
    log.said.clear()
    run(Made(tmp_path, adaptation=LastLayers(2)), "all", log, **LOOP)
    assert "too little comes before it" in log.said[0]
    log.said.clear()
    run(Made(tmp_path, adaptation=Full()), "full", log, **LOOP)
    assert not [line for line in log.said if "whole model" in line]


def test_for_a_single_epoch_nothing_is_kept(tmp_path):
    run(Made(tmp_path), "once", epochs=1, **LOOP)
    assert not (tmp_path / "cache").exists()


class TestOptimum:
    def test_the_head_is_fitted_in_one_go(self, tmp_path, log):
        trained, weights = run(Made(tmp_path), "fit", log, optimum=True)
        assert isinstance(trained, Trained)
        assert trained.fit is not None
        assert trained.fit["largest_gradient"] < 1e-4
        assert trained.stop_reason.startswith("optimum reached")
        assert trained.to_json()["fit"]["path"]
        events = Events(tmp_path / "fit/events.jsonl").read()
        assert [event["event"] for event in events][-2:] == ["solved", "evaluation"]
        assert events[-1]["accuracy"] == 1.0
        _, again = run(Made(tmp_path), "fit", log, optimum=True)
        assert same(weights, again)
        assert len(Events(tmp_path / "fit/events.jsonl").read()) == len(events)

    def test_without_a_cache_it_is_the_same(self, tmp_path):
        _, kept = run(Made(tmp_path), "kept", optimum=True)
        _, memory = run(Made(tmp_path), "memory", optimum=True, cache="off")
        assert same(kept, memory)

    @pytest.mark.parametrize("base", [toys.image_base, resnet_base])
    def test_for_images_too(self, base, tmp_path):
        trained, _ = run(images(tmp_path, base=base), "fit", optimum=True)
        assert trained.fit is not None

    def test_a_head_of_several_layers_goes_through_the_loop(self, tmp_path, log):
        made = Made(tmp_path, task=TextClassification(pooling="native"), base=toys.decoder_base)
        trained, _ = run(made, "loop", log, optimum=True)
        assert trained.fit is None
        assert trained.steps == 15
        assert any("step by step: it reads every token" in line for line in log.said)
        with pytest.raises(CapabilityError, match=r"the head of \w+ is no such layer: it reads every token"):
            run(made, "lbfgs", log, optimum=True, solver="lbfgs")

    def test_several_labels_are_not_a_regression_of_one(self, tmp_path, log):
        made = Made(tmp_path, task=TextClassification(several=True, pooling="mean"), table=toys.tagged_table)
        trained, _ = run(made, "several", log, optimum=True)
        assert trained.fit is None
        assert any("one label each" in line for line in log.said)

    def test_a_kill_in_the_middle_changes_nothing(self, tmp_path):
        made = Made(tmp_path)
        _, undisturbed = run(made, "undisturbed", optimum=True)

        class Killed(Log):
            def advance(self, amount=1, **figures):
                if "accuracy" in figures:
                    raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run(made, "killed", Killed(), optimum=True)
        assert same(run(made, "killed", optimum=True)[1], undisturbed)
