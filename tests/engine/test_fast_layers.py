"""Which fast layers a stage trains with, and what the loop does with them."""

from __future__ import annotations

from typing import Any

import pytest

from dianji.engine.fast_layers import fast_layers_of, special_tokens, table_shrinks
from dianji.kernels.native import library
from dianji.tasks.masked_language import MaskedLanguage
from dianji.tasks.text_classification import TextClassification
from dianji.techniques.base import Listener, Progress


@pytest.mark.parametrize(
    ("train", "description"),
    [
        ({"fast_layers": "off"}, "off"),
        ({"compile": "on"}, "none, the model is compiled"),
        ({"gradient_checkpointing": True}, "none, activations are computed again"),
    ],
)
def test_a_stage_has_none_where_its_recipe_excludes_them(toy: Any, train: dict[str, Any], description: str) -> None:
    training = toy.but("plain").training()
    training.context.job.train.__dict__.update(train)
    found = fast_layers_of(training.context.job, training.context.runtime)
    assert not found.layers
    assert found.description == description


def test_words_that_never_occur_never_move_unless_something_is_masked_at_random() -> None:
    assert table_shrinks("adamw", TextClassification())
    assert not table_shrinks("adafactor", TextClassification())
    assert not table_shrinks("adamw", MaskedLanguage())


def test_any_batch_may_hold_special_tokens() -> None:
    class Processor:
        all_special_ids = (5, 7)

    class Config:
        pad_token_id = None

    class Known:
        processor, config = Processor(), Config()

    known: Any = Known()
    assert special_tokens(known) == {0, 5, 7}


class Writes:
    """A technique that may write to weights after each step."""

    order = 0

    def start(self, progress: Progress) -> Listener:
        class After(Listener):
            def after_step(self, progress: Progress) -> None:
                pass

        return After()


@pytest.mark.parametrize("writes", [True, False])
@pytest.mark.kernels
def test_in_the_loop_a_technique_that_follows_steps_has_weights_cast_anew(
    toy: Any, writes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed: list[int] = []
    training = toy.but("writes", techniques=(Writes(),) if writes else (), validation=False).training()
    monkeypatch.setattr(training.context.fast_layers, "renew", lambda: renewed.append(training.context.progress.step))
    training.run()
    begun = [0]  # at the start, whatever a checkpoint has written
    assert renewed == begun + (list(range(1, training.context.progress.step + 1)) if writes else [])


class Broken(Exception):
    """A run ends here."""


@pytest.mark.parametrize("other", [True, False])
def test_a_run_that_goes_on_with_other_kernels_is_warned_of(
    toy: Any, log: Any, other: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = toy.but("broken", train={"checkpoint_every": 2}, validation=False)
    training = run.training()

    def break_off(*, end_of_epoch: bool) -> None:
        training.checkpoints.save()
        raise Broken

    monkeypatch.setattr(training, "between_steps", break_off)
    monkeypatch.setattr(library, "identity", lambda: "1" * 32)
    with pytest.raises(Broken):
        training.run()
    monkeypatch.setattr(library, "identity", lambda: ("2" if other else "1") * 32)
    run.run(log)
    assert len(log.warned) == other
    if other:
        assert f"kernels {'1' * 12}" in log.warned[0]
        assert f"kernels {'2' * 12}" in log.warned[0]
