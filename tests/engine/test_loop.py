"""The loop: the same mathematics however it is cut up, the same bytes however often it is killed."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
import torch
from torch.nn import functional

from dianji.engine.loop import Interrupted
from dianji.errors import ResumeError, StoreError, TrainingError
from dianji.registry import REGISTRY
from dianji.store.events import Events
from dianji.tasks.base import Loss
from dianji.techniques.base import Listener, Progress, Scores, State, Step
from dianji.techniques.early_stopping import EarlyStopping
from dianji.techniques.ema import Ema


def assert_same_bytes(one, other):
    assert one.keys() == other.keys()
    different = [name for name in one if not torch.equal(one[name], other[name])]
    assert different == []


def differs(one, other):
    return any(not torch.equal(one[name], other[name]) for name in one)


class Crash(Exception):
    pass


@dataclass(frozen=True)
class At:
    """Does something after a step."""

    step: int
    action: Callable[[], None]

    order: ClassVar[int] = 100  # the last one: states in a checkpoint are numbered

    def start(self, progress: Progress) -> Listener:
        return _At(self)


class _At(Listener):
    def __init__(self, technique: At) -> None:
        self.technique = technique

    def after_step(self, progress: Progress) -> None:
        if progress.step == self.technique.step:
            self.technique.action()


def crash():
    raise Crash


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


class TestMathematics:
    def test_it_learns(self, toy):
        before = toy.but("before", train={"steps": 1, "epochs": None}).training()
        trained, _ = toy.but("after", train={"epochs": 20}).run()
        assert trained.steps == 120
        assert trained.samples == 480
        assert trained.stop_reason == "budget used up"
        losses = [event["loss"] for event in Events(toy.folder.parent / "after/events.jsonl").read() if "loss" in event]
        assert sum(losses[-10:]) < 0.8 * sum(losses[:10])
        assert before.context.progress.total_steps == 1

    @pytest.mark.parametrize("ignored", [0.0, 0.4])
    @pytest.mark.parametrize("clip", [None, 0.1])
    @pytest.mark.parametrize(("batch", "accumulate"), [(1, 7), (2, 4), (3, 3), (5, 2)])
    def test_accumulation_equals_the_big_batch(self, toy, batch, accumulate, clip, ignored):
        """The last micro-batch is smaller, and rows that do not count make the others unequal too."""
        shared = {"epochs": 3, "clip_norm": clip, "optimizer": "sgd", "learning_rate": 0.1}
        toy = toy.but("toy", rows=7, dropout=0.0, ignored=ignored)
        _, whole = toy.but("whole", train={**shared, "batch_size": 7}).run()
        trained, cut = toy.but("cut", train={**shared, "batch_size": batch, "accumulate": accumulate}).run()
        assert trained.steps == 3
        for name in whole:
            torch.testing.assert_close(cut[name], whole[name], rtol=0, atol=1e-6)

    def test_token_budgets_train_each_row_once_an_epoch(self, toy):
        trained, _ = toy.but("tokens", train={"batch_size": None, "batch_tokens": 16, "epochs": 3}).run()
        assert trained.samples == 3 * 24

    def test_half_an_epoch_is_half_the_steps(self, toy):
        trained, _ = toy.but("half", train={"epochs": 0.5}).run()
        assert trained.steps == 3

    def test_a_run_repeats_itself(self, toy):
        _, one = toy.but("one").run()
        _, other = toy.but("other").run()
        assert_same_bytes(one, other)

    def test_evaluation_does_not_disturb_training(self, toy):
        _, with_it = toy.but("with", train={"evaluate_every": 1}).run()
        _, without = toy.but("without", validation=False).run()
        assert_same_bytes(with_it, without)

    def test_when_checkpoints_are_saved_does_not_matter(self, toy):
        _, often = toy.but("often", train={"checkpoint_every": 1}).run()
        _, never = toy.but("never").run()
        assert_same_bytes(often, never)

    def test_the_schedule_reaches_the_optimizer(self, toy):
        training = toy.but(
            "linear", train={"schedule": {"linear": {"warmup": 0.0}}, "head_learning_rate": 0.1}
        ).training()
        rates: list[tuple[float, float]] = []
        training.context.listeners.append(_Rates(training, rates))
        training.run()
        assert rates[0] == pytest.approx((0.01, 0.1))
        assert rates[6] == pytest.approx((0.005, 0.05))
        assert len(rates) == 12

    def test_bf16_keeps_its_weights_in_fp32(self, toy):
        _, weights = toy.but("bf16", precision="bf16", train={"epochs": 1}).run()
        assert {weight.dtype for weight in weights.values()} == {torch.float32}


class _Rates(Listener):
    def __init__(self, training: Any, rates: list[tuple[float, float]]) -> None:
        self.training, self.rates = training, rates

    def after_step(self, progress: Progress) -> None:
        groups = self.training.update.optimizer.param_groups
        self.rates.append((groups[0]["lr"], groups[-1]["lr"]))


class TestBudgets:
    def test_minutes(self, toy):
        trained, _ = toy.but("minutes", train={"epochs": None, "minutes": 0.003}).run()
        assert trained.seconds >= 0.18
        assert trained.seconds < 2
        assert trained.steps > 3

    def test_a_technique_may_ask_for_the_end(self, toy):
        trained, _ = toy.but("stop", techniques=(EarlyStopping(patience=1, minimum_delta=1.0),)).run()
        assert trained.stop_reason.startswith("early stopping")
        assert trained.steps == 12

    @pytest.mark.parametrize(("every", "expected"), [(None, [6, 12]), (5, [5, 10, 12]), (4, [4, 8, 12])])
    def test_evaluations(self, toy, every, expected):
        toy.but("evaluated", train={"evaluate_every": every}).run()
        events = Events(toy.folder.parent / "evaluated/events.jsonl").read()
        assert [event["step"] for event in events if event["event"] == "evaluation"] == expected
        assert all(0 <= event["accuracy"] <= 1 for event in events if event["event"] == "evaluation")


class TestNotANumber:
    def test_names_step_and_micro_batch(self, toy):
        toy = toy.but("nan", task=type(toy.task)(poison=5), train={"accumulate": 3})
        with pytest.raises(
            TrainingError, match=r"stage toy: the loss is nan in step \d, micro-batch \d .*learning_rate"
        ):
            toy.run()

    def test_the_named_micro_batch_holds_the_row(self, toy):
        toy = toy.but("nan", task=type(toy.task)(poison=5), train={"accumulate": 3})
        training = toy.training()
        steps = training.context.order.steps(0)
        at = [
            (step + 1, number + 1) for step, micro in enumerate(steps) for number, rows in enumerate(micro) if 5 in rows
        ]
        with pytest.raises(TrainingError, match=rf"step {at[0][0]}, micro-batch {at[0][1]} "):
            training.run()

    def test_it_is_not_learnt_from(self, toy):
        toy = toy.but("nan", task=type(toy.task)(poison=5))
        training = toy.training()
        with pytest.raises(TrainingError):
            training.run()
        assert all(torch.isfinite(parameter).all() for parameter in training.context.model.parameters())


TECHNIQUES = (Ema(decay=0.9), EarlyStopping(patience=5))


class TestResume:
    @pytest.mark.parametrize("step", range(1, 7))
    def test_a_crash_after_any_step(self, toy, step):
        settings = {"accumulate": 2, "batch_size": 3, "epochs": 1.5, "evaluate_every": 2}
        toy = toy.but("whole", train=settings, techniques=TECHNIQUES)
        _, whole = toy.run()
        broken = toy.but("broken", train={**settings, "checkpoint_every": 2})
        with pytest.raises(Crash):
            broken.but("broken", techniques=(*TECHNIQUES, At(step, crash))).run()
        trained, resumed = broken.run()
        assert_same_bytes(resumed, whole)
        assert trained.steps == 6
        steps = [event["step"] for event in Events(broken.folder / "events.jsonl").read() if event["event"] == "step"]
        assert steps == [1, 2, 3, 4, 5, 6]

    def test_a_crash_after_every_step(self, toy):
        toy = toy.but("whole", techniques=TECHNIQUES, train={"accumulate": 2})
        _, whole = toy.run()
        broken = toy.but("broken", train={"accumulate": 2, "checkpoint_every": 1})
        for step in range(2, 7):
            with pytest.raises(Crash):
                broken.but("broken", techniques=(*TECHNIQUES, At(step, crash))).run()
        assert_same_bytes(broken.run()[1], whole)

    @pytest.mark.parametrize("name", sorted(REGISTRY.names("optimizer")))
    def test_every_optimizer(self, toy, name):
        if name == "adamw-8bit":
            pytest.importorskip("torchao")
        toy = toy.but("whole", train={"optimizer": name})
        _, whole = toy.run()
        broken = toy.but("broken", train={"optimizer": name, "checkpoint_every": 3})
        with pytest.raises(Crash):
            broken.but("broken", techniques=(At(8, crash),)).run()
        assert_same_bytes(broken.run()[1], whole)

    def test_a_stop_that_was_asked_for_is_remembered(self, toy):
        stopping = (EarlyStopping(patience=1, minimum_delta=1.0),)
        toy = toy.but("stop", techniques=stopping, train={"epochs": 9, "checkpoint_every": 1})
        _, whole = toy.run()
        trained, again = toy.run()
        assert trained.steps == 12
        assert_same_bytes(again, whole)

    def test_what_it_took_adds_up(self, toy):
        toy = toy.but("broken", train={"checkpoint_every": 1})
        with pytest.raises(Crash):
            toy.but("broken", techniques=(At(5, crash),)).run()
        trained, _ = toy.run()
        assert trained.samples == 48
        assert trained.steps == 12

    def test_it_says_where_it_goes_on(self, toy, log):
        toy = toy.but("broken", train={"checkpoint_every": 2})
        with pytest.raises(Crash):
            toy.but("broken", techniques=(At(5, crash),)).run()
        toy.run(log)
        assert "toy: goes on from step 4" in log.said
        assert log.warned == []

    def test_another_precision_is_told(self, toy, log):
        toy = toy.but("broken", train={"checkpoint_every": 2})
        with pytest.raises(Crash):
            toy.but("broken", techniques=(At(5, crash),)).run()
        toy.but("broken", precision="bf16").run(log)
        assert "not equal to the bit" in log.warned[0]

    def test_a_damaged_checkpoint_is_passed_over(self, toy, log):
        _, whole = toy.but("whole").run()
        broken = toy.but("broken", train={"checkpoint_every": 2})
        with pytest.raises(Crash):
            broken.but("broken", techniques=(At(9, crash),)).run()
        newest = broken.folder / "checkpoint/0000000008/state.safetensors"
        data = bytearray(newest.read_bytes())
        data[-7] ^= 1
        newest.write_bytes(data)
        _, resumed = broken.run(log)
        assert "damaged checkpoint passed over" in log.warned[0]
        assert "toy: goes on from step 6" in log.said
        assert_same_bytes(resumed, whole)

    def test_a_checkpoint_of_another_model_is_refused(self, toy):
        toy = toy.but("broken", train={"checkpoint_every": 2})
        toy.run()
        training = toy.training()
        training.context.model.add_module("more", torch.nn.Linear(2, 2))
        with pytest.raises(ResumeError, match=r"of another model \(differs in more"):
            training.run()

    def test_a_full_disk_leaves_the_checkpoints_before(self, toy, monkeypatch):
        _, whole = toy.but("whole").run()
        toy = toy.but("full", train={"checkpoint_every": 2})
        full = OSError(28, "No space left on device")
        fsync = os.fsync

        def fill():
            monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(full))

        with pytest.raises(StoreError, match="the disk is full"):
            toy.but("full", techniques=(At(7, fill),)).run()
        monkeypatch.setattr(os, "fsync", fsync)
        assert sorted(path.name for path in (toy.folder / "checkpoint").iterdir()) == ["0000000004", "0000000006"]
        assert_same_bytes(toy.run()[1], whole)


class TestSignals:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_it_saves_says_so_and_goes_on(self, toy, number):
        _, whole = toy.but("whole", techniques=TECHNIQUES).run()
        broken = toy.but("broken", techniques=TECHNIQUES)
        handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        stop = At(5, lambda: os.kill(os.getpid(), number))
        with pytest.raises(Interrupted, match=rf"{number.name}: stage toy is saved at step 5"):
            broken.but("broken", techniques=(*TECHNIQUES, stop)).run()
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
        assert [path.name for path in (broken.folder / "checkpoint").iterdir()] == ["0000000005"]
        assert_same_bytes(broken.run()[1], whole)

    def test_the_second_one_ends_it_at_once(self, toy):
        def twice():
            interrupt()
            interrupt()

        with pytest.raises(KeyboardInterrupt) as caught:
            toy.but("twice", techniques=(At(5, twice),)).run()
        assert not isinstance(caught.value, Interrupted)
        assert not (toy.folder.parent / "twice/checkpoint").exists()

    def test_outside_the_main_thread_signals_are_left_alone(self, toy):
        results = []
        thread = threading.Thread(target=lambda: results.append(toy.but("thread").run()))
        thread.start()
        thread.join()
        assert results[0][0].steps == 12


# What follows proves that the contract of a technique carries the ones that are known to be hard to carry.


@dataclass(frozen=True)
class RDrop:
    """Two dropout passes of one batch must agree (arXiv:2106.14448), here by their losses."""

    weight: float = 1.0
    seen: list[tuple[float, float]] = field(default_factory=list)

    order: ClassVar[int] = 20

    def start(self, progress: Progress) -> Listener:
        return _RDrop(self, progress)


class _RDrop(Listener):
    def __init__(self, technique: RDrop, progress: Progress) -> None:
        self.technique, self.model = technique, progress.model

    def loss(self, step: Step, loss: Loss) -> Loss:
        again = step.forward()
        self.technique.seen.append((loss.value.item(), again.value.item()))
        one, other = (self.model(step.batch["ids"], step.batch["mask"]) for _ in range(2))
        apart = functional.kl_div(one.log_softmax(-1), other.log_softmax(-1), log_target=True, reduction="batchmean")
        return Loss((loss.value + again.value) / 2 + self.technique.weight * apart, loss.items)


@dataclass(frozen=True)
class Fgm:
    """A second backward pass at embeddings moved along their gradient (arXiv:1605.07725)."""

    epsilon: float = 0.5

    order: ClassVar[int] = 30

    def start(self, progress: Progress) -> Listener:
        return _Fgm(self, progress)


class _Fgm(Listener):
    def __init__(self, technique: Fgm, progress: Progress) -> None:
        self.epsilon, self.table = technique.epsilon, progress.trainable["embedding.weight"]

    def after_backward(self, step: Step) -> None:
        gradient = self.table.grad
        assert gradient is not None
        before = self.table.detach().clone()
        self.table.data.add_(self.epsilon * gradient / (gradient.norm() + 1e-12))
        step.backward(step.forward())
        self.table.data.copy_(before)


class TestTechniques:
    def test_r_drop_draws_new_dropout_and_changes_what_is_learnt(self, toy):
        technique = RDrop()
        _, plain = toy.but("plain").run()
        _, changed = toy.but("changed", techniques=(technique,)).run()
        assert len(technique.seen) == 12
        assert all(one != other for one, other in technique.seen)
        assert differs(plain, changed)

    def test_r_drop_without_dropout_changes_nothing(self, toy):
        toy = toy.but("toy", dropout=0.0)
        _, plain = toy.but("plain").run()
        _, same = toy.but("same", techniques=(RDrop(),)).run()
        for name in plain:
            torch.testing.assert_close(same[name], plain[name], rtol=0, atol=1e-5)

    def test_fgm_adds_gradients_of_moved_embeddings(self, toy):
        """One SGD step by hand, against the loop's."""
        toy = toy.but("toy", dropout=0.0, rows=4)
        steps = {"epochs": None, "steps": 1, "optimizer": {"sgd": {"momentum": 0.0}}, "learning_rate": 0.1}
        settings = {**steps, "weight_decay": 0.0, "clip_norm": None, "schedule": {"constant": {"warmup": 0.0}}}
        training = toy.but("hand", train=settings).training()
        model, task = training.context.model, toy.task
        batch = task.collate(
            training.context.job.examples.take(training.context.order.steps(0)[0][0]), None, None, purpose="train"
        )
        task.loss(model, batch).value.backward()
        before = model.embedding.weight.detach().clone()
        gradient = model.embedding.weight.grad
        model.embedding.weight.data.add_(0.5 * gradient / gradient.norm())
        task.loss(model, batch).value.backward()
        model.embedding.weight.data.copy_(before)
        expected = {name: p.detach() - 0.1 * p.grad for name, p in model.named_parameters()}
        _, found = toy.but("loop", train=settings, techniques=(Fgm(),)).run()
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=0, atol=1e-6)

    def test_fgm_under_accumulation_equals_the_big_batch_it_saw(self, toy):
        """Each micro-batch moves the embeddings by its own gradient, so that only epsilon 0 can be compared."""
        toy = toy.but("toy", dropout=0.0, rows=7, techniques=(Fgm(epsilon=0.0),))
        shared = {"optimizer": "sgd", "clip_norm": None}
        _, whole = toy.but("whole", train={**shared, "batch_size": 7}).run()
        _, cut = toy.but("cut", train={**shared, "batch_size": 3, "accumulate": 3}).run()
        for name in whole:
            torch.testing.assert_close(cut[name], whole[name], rtol=0, atol=1e-6)

    @pytest.mark.parametrize("technique", [RDrop(), Fgm()], ids=["r-drop", "fgm"])
    def test_they_resume_exactly_too(self, toy, technique):
        toy = toy.but("whole", techniques=(technique,))
        _, whole = toy.run()
        broken = toy.but("broken", train={"checkpoint_every": 2})
        with pytest.raises(Crash):
            broken.but("broken", techniques=(technique, At(7, crash))).run()
        assert_same_bytes(broken.run()[1], whole)

    def test_hooks_are_called_in_order(self, toy):
        calls: list[str] = []
        late, early = Recorder("late", 90, calls), Recorder("early", 10, calls)
        toy.but("hooks", techniques=(late, early), train={"epochs": 1, "batch_size": 12, "accumulate": 2}).run()
        micro = ["early loss", "late loss", "early after_backward", "late after_backward"]
        scored = [
            "early enter",
            "late enter",
            "early after_evaluation",
            "late after_evaluation",
            "late exit",
            "early exit",
        ]
        steps = ["early after_step", "late after_step"]
        begun = ["early begin", "late begin"]
        assert calls == [*begun, *micro, *micro, *steps, *scored, "early finish", "late finish"]

    def test_state_is_kept_apart(self, toy):
        calls: list[str] = []
        techniques = (Recorder("a", 10, calls), Recorder("b", 20, calls))
        toy = toy.but("state", techniques=techniques, train={"checkpoint_every": 1, "epochs": 1})
        toy.run()
        toy.run()
        assert [call for call in calls if "restored" in call] == ["a restored a", "b restored b"]
        assert [call for call in calls if "begin" in call] == ["a begin", "b begin"], "a resumed run has begun before"

    def test_training_rows_can_be_passed_over_before_the_first_step(self, toy):
        seen: list[int] = []
        training = toy.but("rows", techniques=(Surveyor(seen),), dropout=0.9).training()
        before = {name: tensor.clone() for name, tensor in training.context.model.state_dict().items()}
        training.context.progress.over_rows(lambda batch: seen.extend(batch["row"].tolist()))
        assert sorted(seen) == list(range(24)), "each row once"
        assert_same_bytes(training.context.model.state_dict(), before)
        seen.clear()
        training.run()
        assert sorted(seen) == list(range(24)), "and a run passes over them where the technique asks for it"


@dataclass(frozen=True)
class Surveyor(Listener):
    """Looks at the rows before the first step; is its own listener."""

    seen: list[int]

    order: ClassVar[int] = 0

    def start(self, progress: Progress) -> Listener:
        assert progress.head == ("head",)
        return self

    def begin(self, progress: Progress) -> None:
        progress.over_rows(lambda batch: self.seen.extend(batch["row"].tolist()))


@dataclass(frozen=True)
class Recorder:
    name: str
    order: int
    calls: list[str]

    def start(self, progress: Progress) -> Listener:
        return _Recorder(self.name, self.calls)


class _Recorder(Listener):
    def __init__(self, name: str, calls: list[str]) -> None:
        self.name, self.calls = name, calls

    def note(self, what: str) -> None:
        self.calls.append(f"{self.name} {what}")

    def begin(self, progress: Progress) -> None:
        assert progress.step == 0
        self.note("begin")

    def loss(self, step: Step, loss: Loss) -> Loss:
        self.note("loss")
        return loss

    def after_backward(self, step: Step) -> None:
        self.note("after_backward")

    def after_step(self, progress: Progress) -> None:
        self.note("after_step")

    @contextmanager
    def evaluating(self, progress: Progress) -> Iterator[None]:
        self.note("enter")
        yield
        self.note("exit")

    def after_evaluation(self, progress: Progress, scores: Scores) -> None:
        assert scores.higher_is_better
        assert scores.values["accuracy"] == scores.primary
        self.note("after_evaluation")

    def finish(self, progress: Progress) -> None:
        self.note("finish")

    def state(self) -> State:
        return State({"x": torch.ones(1)}, {"name": self.name})

    def restore(self, state: State) -> None:
        assert state.tensors["x"].item() == 1
        self.note(f"restored {state.values['name']}")
