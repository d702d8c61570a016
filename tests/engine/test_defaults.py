"""What a recipe leaves open is filled; what it says is never changed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dianji.bases.base import Card
from dianji.engine.defaults import MOST_EPOCHS, fill
from dianji.registry import REGISTRY
from dianji.spec.sections import Train
from dianji.tasks.image_classification import ImageClassification
from dianji.tasks.masked_language import MaskedLanguage
from dianji.tasks.text_classification import TextClassification

CLASSIFY, PRETRAIN, IMAGES = TextClassification(), MaskedLanguage(), ImageClassification()
FULL: Any = SimpleNamespace(learning_rate_factor=1.0)
LORA: Any = SimpleNamespace(learning_rate_factor=5.0)


def card(width=384, *, pretrained=True, modality="text", architecture="bert"):
    return Card("toy", modality, architecture, width, pretrained)


def filled(train=None, task=CLASSIFY, base=None, adaptation=FULL, rows=10_003):
    return fill(Train.model_validate(train or {}), task, base or card(), adaptation, rows)


@pytest.mark.parametrize(("width", "rate"), [(384, 2e-4), (768, 5e-5), (1024, 2.8125e-5), (128, 2e-4), (64, 2e-4)])
def test_the_rate_falls_with_the_square_of_the_width(width, rate):
    assert filled(base=card(width)).learning_rate == pytest.approx(rate)


def test_what_all_minilm_gets_on_banking77():
    found = filled()
    assert (found.batch_size, found.epochs, found.learning_rate) == (64, 6.0, 2e-4)
    assert found.head_learning_rate == pytest.approx(2e-3)


def test_an_adaptation_multiplies_the_rate_but_not_the_head_s():
    found = filled(adaptation=LORA)
    assert found.learning_rate == pytest.approx(1e-3)
    assert found.head_learning_rate == pytest.approx(2e-3)


def test_from_scratch_there_is_one_rate():
    found = filled(base=card(pretrained=False))
    assert found.learning_rate == found.head_learning_rate


def test_few_rows_mean_smaller_batches_and_more_epochs():
    few, some, many = (filled(rows=rows) for rows in (200, 2000, 20_000))
    assert [one.batch_size for one in (few, some, many)] == [16, 32, 64]
    assert few.epochs > some.epochs >= many.epochs
    assert filled(rows=3).epochs == MOST_EPOCHS


def test_pre_training_gets_tokens_and_no_rate_of_a_head():
    found = filled(task=PRETRAIN)
    assert found.batch_tokens == 4096
    assert found.batch_size is None
    assert found.head_learning_rate == found.learning_rate


def test_images():
    assert filled(task=IMAGES, base=card(modality="image", pretrained=False), rows=50_000).batch_size == 128


SAID = {
    "batch_size": st.integers(1, 999),
    "accumulate": st.integers(1, 9),
    "learning_rate": st.floats(1e-6, 1.0),
    "head_learning_rate": st.floats(1e-6, 1.0),
    "weight_decay": st.floats(0.0, 1.0),
    "clip_norm": st.none() | st.floats(0.1, 9.0),
    "precision": st.sampled_from(["auto", "fp32", "bf16"]),
    "evaluate_every": st.integers(1, 99),
    "optimizer": st.sampled_from(sorted(REGISTRY.names("optimizer"))),
}
BUDGET = st.sampled_from([{}, {"epochs": 1.5}, {"steps": 10}, {"minutes": 2.0}])


@given(
    said=st.fixed_dictionaries({}, optional=SAID),
    budget=BUDGET,
    task=st.sampled_from([CLASSIFY, PRETRAIN]),
    pretrained=st.booleans(),
    rows=st.integers(1, 10**6),
)
def test_what_the_recipe_says_is_never_changed(said, budget, task, pretrained, rows):
    train = Train.model_validate({**said, **budget})
    found = fill(train, task, card(pretrained=pretrained), LORA, rows)
    for name in train.model_fields_set:
        assert getattr(found, name) == getattr(train, name)
    assert sum(value is not None for value in (found.epochs, found.steps, found.minutes)) == 1
    assert (found.batch_size is None) != (found.batch_tokens is None)
    assert found.learning_rate is not None
    assert found.head_learning_rate is not None
    assert fill(found, task, card(pretrained=pretrained), LORA, rows) == found


def test_a_token_budget_is_left_alone():
    found = filled({"batch_tokens": 999})
    assert (found.batch_tokens, found.batch_size) == (999, None)


def test_an_optimizer_that_does_not_step_like_adam_brings_its_own_rate():
    assert filled({"optimizer": "sgd"}).learning_rate == pytest.approx(0.01)
    assert filled({"optimizer": "adam"}).learning_rate == filled().learning_rate
