"""Which stages are fitted to their optimum, as far as a recipe tells."""

from __future__ import annotations

from typing import Any

import pytest

from dianji.adapt.base import head_only
from dianji.adapt.frozen import Frozen
from dianji.adapt.full import Full
from dianji.engine.solver import OF_THE_LOOP, asked_for
from dianji.errors import RecipeError
from dianji.spec.sections import Train
from dianji.tasks.image_classification import ImageClassification
from dianji.tasks.masked_language import MaskedLanguage
from dianji.tasks.text_classification import TextClassification
from dianji.techniques.ema import Ema

TEXT = TextClassification()
GIVEN: dict[str, Any] = {
    "epochs": 2.0, "steps": 3, "minutes": 1.0, "batch_size": 8, "batch_tokens": 64, "accumulate": 2, "optimizer": "sgd",
    "schedule": "constant", "learning_rate": 0.1, "head_learning_rate": 0.1, "weight_decay": 0.0, "clip_norm": None,
    "evaluate_every": 5,
}  # fmt: skip


def asked(train: dict[str, Any], task: Any = TEXT, adaptation: Any = None, techniques: Any = ()) -> bool:
    return asked_for("here", Train.model_validate(train), task, adaptation or Frozen(), techniques)


def test_a_frozen_base_with_one_label_per_row():
    assert asked({})
    assert asked({"solver": "lbfgs"})
    assert asked({"precision": "fp32", "cache": "off", "checkpoint_every": 3})
    assert asked({}, ImageClassification(flip=False, crop=0))
    assert not asked({"solver": "loop"})


def test_defaults_that_are_written_out_ask_for_nothing():
    assert asked({"optimizer": {"adamw": {"eps": 1e-8}}, "weight_decay": 0.01, "clip_norm": 1.0, "accumulate": 1})


@pytest.mark.parametrize("key", OF_THE_LOOP)
def test_what_only_the_loop_knows_asks_for_it(key):
    assert set(GIVEN) == set(OF_THE_LOOP)
    assert not asked({key: GIVEN[key]})
    with pytest.raises(RecipeError, match=f"^here: lbfgs .*{key} belong to the loop"):
        asked({key: GIVEN[key], "solver": "lbfgs"})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"adaptation": Full()}, "use adapt: frozen"),
        ({"task": TextClassification(several=True)}, "not one label per row"),
        ({"task": MaskedLanguage()}, "not one label per row"),
        ({"task": ImageClassification()}, "set flip: false and crop: 0"),
        ({"techniques": (Ema(),)}, "leave them out"),
    ],
)
def test_where_there_is_no_regression(changes, reason):
    assert not asked({}, **changes)
    with pytest.raises(RecipeError, match=reason):
        asked({"solver": "lbfgs"}, **changes)


def test_an_adaptation_that_says_nothing_trains_more_than_the_head():
    assert head_only(Frozen())
    assert not head_only(Full())
