"""Budgets and comparisons of advice, over trials that only pretend; and one real trial beside a real run."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from dianji import verbs
from dianji.bases import e5, minilm
from dianji.data.inspect import inspect
from dianji.errors import BaseError, CapabilityError, DataError, RecipeError, TrainingError
from dianji.pipeline.advise import advise as module
from dianji.pipeline.advise import candidates
from dianji.pipeline.advise.ranking import NEW
from dianji.pipeline.advise.trial import Trial, trial
from dianji.pipeline.plan import Work, schedule
from dianji.spec.sections import Recipe
from dianji.store.steps import Store

LABELS = ("refund", "card", "login")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """120 English questions with three intents."""
    path = tmp_path / "questions.csv"
    lines = [
        f"please help me with my {LABELS[number % 3]} number {number},{LABELS[number % 3]}" for number in range(120)
    ]
    path.write_text("\n".join(["query,intent", *lines]) + "\n", encoding="utf-8")
    return path


def took(**changes: float) -> Trial:
    """A trial of 100 steps that last a second each; 20 seconds go to all else."""
    usual = {
        "steps": 100,
        "seconds_per_step": 1.0,
        "samples_per_second": 16.0,
        "encode_seconds": 1.0,
        "validate_seconds": 10.0,
        "measure_seconds": 5.0,
        "start_seconds": 4.0,
        "peak_memory_mb": 1000.0,
        "parameters": 1000,
        "trained_parameters": 100,
    }
    return Trial(**{**usual, **changes})  # type: ignore[arg-type]  # steps is whole


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> None:
    """No trial is made, and no base asked what it knows."""
    monkeypatch.setattr(module, "trial", lambda work, base, device: took())
    monkeypatch.setattr(module, "knowledge", lambda *arguments: None)


@pytest.mark.usefixtures("pretend")
class TestBudget:
    def test_without_one_everything_fits(self, data: Path, tmp_path: Path):
        advice = verbs.advise(str(data), recipe=tmp_path / "recipe.yaml")
        assert all(option.fits for option in advice.options)
        assert advice.chosen is advice.options[0]
        assert advice.chosen.name == "minilm, full"
        names = {option.name for option in advice.options}
        assert {"minilm, frozen", "new transformer, masked-language first", "new lstm"} <= names

    def test_new_networks_stand_in_the_order_that_is_known(self, data: Path, tmp_path: Path):
        advice = verbs.advise(str(data), recipe=tmp_path / "recipe.yaml")
        new = [option.name for option in advice.options if option.name.startswith("new ")]
        assert new == [f"new {name}" for name in NEW["text"]]

    def test_a_base_that_is_damaged_is_told_and_the_others_go_on(self, data: Path, tmp_path: Path, monkeypatch):
        for base in (e5, minilm):
            monkeypatch.setattr(base, "WEIGHTS", replace(base.WEIGHTS, sha256="0" * 64))
        advice = verbs.advise(str(data), recipe=tmp_path / "recipe.yaml")
        assert advice.chosen is not None
        assert advice.chosen.name.startswith("new ")
        assert any("'minilm, full' was left out" in note and "sha256" in note for note in map(str, advice.notes))
        with pytest.raises(RecipeError, match="sha256"):
            verbs.advise(str(data), bases=["minilm"], recipe=tmp_path / "recipe.yaml")

    def test_fewer_epochs_where_half_of_them_fit(self, data: Path, tmp_path: Path):
        advice = verbs.advise(str(data), minutes=1.5, bases=["minilm"], recipe=tmp_path / "recipe.yaml")
        chosen = advice.chosen
        assert chosen is not None
        assert chosen.forecast is not None
        epochs = chosen.recipe["stages"]["classify"]["train"]["epochs"]
        assert 15 <= epochs < 30
        assert chosen.forecast.seconds <= 90
        assert f"{epochs} epochs instead of 30, to keep to 1.5 minutes" in map(str, chosen.reasons)

    def test_what_takes_too_long_cannot_be_chosen(self, data: Path, tmp_path: Path):
        advice = verbs.advise(str(data), minutes=0.5, bases=["minilm"], recipe=tmp_path / "recipe.yaml")
        assert advice.chosen is None
        assert str(advice.options[0].obstacle) == "takes 2 minutes, and 0.5 may be used"

    def test_what_is_fitted_has_no_epochs_to_cut(self, data: Path, tmp_path: Path):
        advice = verbs.advise(str(data), minutes=1.5, bases=["minilm"], recipe=tmp_path / "recipe.yaml")
        (frozen,) = (option for option in advice.options if option.name == "minilm, frozen")
        assert str(frozen.obstacle) == "takes 2 minutes, and 1.5 may be used"
        assert "train" not in frozen.recipe["stages"]["classify"]

    def test_what_needs_too_much_memory_cannot_be_chosen(self, data: Path, tmp_path: Path, monkeypatch):
        def by_base(work, base, device):
            return took(peak_memory_mb=500.0 if isinstance(base, dict) else 3000.0)

        monkeypatch.setattr(module, "trial", by_base)
        advice = verbs.advise(str(data), memory_gb=1, recipe=tmp_path / "recipe.yaml")
        assert advice.chosen is not None
        assert advice.chosen.name.startswith("new ")
        assert "needs 2.9 GB of memory, and 1.0 GB may be used" in {str(option.obstacle) for option in advice.options}

    def test_a_trial_that_fails_is_told_and_the_others_go_on(self, data: Path, tmp_path: Path, monkeypatch):
        def by_base(work, base, device):
            if base == "minilm":
                raise TrainingError("no room")
            return took()

        monkeypatch.setattr(module, "trial", by_base)
        advice = verbs.advise(str(data), recipe=tmp_path / "recipe.yaml")
        assert advice.chosen is not None
        failed = [option for option in advice.options if not option.fits]
        assert {str(option.obstacle) for option in failed} == {"its trial failed: no room"}
        assert advice.options[-len(failed) :] == tuple(failed)

    def test_everything_is_plain_values(self, data: Path, tmp_path: Path):
        advice = verbs.advise(str(data), minutes=1.5, recipe=tmp_path / "recipe.yaml")
        assert json.loads(json.dumps(advice.to_json()))["chosen"] == "minilm, full"


@pytest.mark.usefixtures("pretend")
def test_a_comparison_of_all_that_fit_has_no_faults(data: Path, tmp_path: Path):
    recipe = tmp_path / "recipe.yaml"
    advice = verbs.advise(str(data), recipe=recipe)
    assert advice.chosen is not None
    written = advice.comparison
    assert written is not None
    assert len(written["compare"]["variants"]) == len(advice.options)
    plan = verbs.check(Recipe.parse(json.loads(json.dumps(written)), folder=tmp_path))
    assert [variant.name for variant in plan.variants] == [option.name for option in advice.options]


@pytest.mark.starters
@pytest.mark.usefixtures("pretend")
def test_a_base_that_reads_the_language_comes_first(tmp_path: Path):
    path = tmp_path / "问题.csv"
    texts = ("我的银行卡丢了，请帮我补办一张", "我昨天转的钱还没有到账，是怎么回事", "请帮我注销这个账户，谢谢")
    lines = [f"{texts[number % 3]} {number},{LABELS[number % 3]}" for number in range(120)]
    path.write_text("\n".join(["query,intent", *lines]) + "\n", encoding="utf-8")
    advice = verbs.advise(str(path), recipe=tmp_path / "recipe.yaml")
    names = [option.name for option in advice.options]
    assert names[0] == "e5, full"
    assert names.index("minilm, full") > names.index("new lstm")
    reasons = [str(reason) for reason in advice.options[0].reasons]
    assert f"pre-trained on {len(e5.LANGUAGES)} languages, zh among them; the data are zh" in reasons


@pytest.mark.usefixtures("pretend")
def test_texts_without_labels_are_only_read(tmp_path: Path):
    path = tmp_path / "tickets.txt"
    path.write_text("".join(f"my card number {number} did not arrive yet\n" for number in range(60)), encoding="utf-8")
    advice = verbs.advise(str(path), recipe=tmp_path / "recipe.yaml")
    assert {tuple(option.recipe["stages"]) for option in advice.options} == {("domain",)}
    assert advice.chosen is not None
    assert advice.chosen.name == "minilm, full"
    assert advice.comparison is None


@pytest.mark.usefixtures("pretend")
def test_a_stores_own_pretrained_model_is_at_hand(data: Path, tmp_path: Path):
    stage = {"task": "masked-language", "data": "rows", "train": {"steps": 1}}
    base = {"new": "transformer", "layers": 1, "width": 16, "heads": 2, "length": 16, "vocabulary": 100}
    rows = {"path": str(data), "columns": {"text": "query"}}
    recipe = Recipe.parse({"name": "own", "base": base, "data": {"rows": rows}, "stages": {"read": stage}})
    artefact = verbs.run(recipe).stages[0].artefact
    field = candidates.candidates(inspect(str(data)), Store.default())
    own = [candidate for candidate in field.candidates if candidate.base == str(artefact)]
    assert {candidate.name for candidate in own} >= {
        f"own/read {artefact.parent.name[:8]}, {way}" for way in ("full", "frozen")
    }
    for label in ("red", "blue"):
        (tmp_path / "shapes" / label).mkdir(parents=True)
        for number in range(6):
            image = Image.new("RGB", (8, 8), (number * 20, 0, 200 if label == "blue" else 10))
            image.save(tmp_path / "shapes" / label / f"{number}.png")
    field = candidates.candidates(inspect(str(tmp_path / "shapes")), Store.default())
    assert {candidate.card.modality for candidate in field.candidates} == {"image"}


class TestRefused:
    def test_a_budget_of_nothing(self, data: Path):
        with pytest.raises(RecipeError, match="--minutes: expected a number above 0, found 0"):
            verbs.advise(str(data), minutes=0)
        with pytest.raises(RecipeError, match="--memory: expected a number above 0, found -1"):
            verbs.advise(str(data), memory_gb=-1)

    def test_a_gpu_that_is_not_there(self, data: Path, monkeypatch):
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
        with pytest.raises(CapabilityError, match="finds no GPU"):
            verbs.advise(str(data), device="cuda")

    def test_a_base_that_nobody_knows(self, data: Path):
        with pytest.raises(BaseError, match="Did you mean 'minilm'"):
            verbs.advise(str(data), bases=["minlim"])

    def test_numbers_alone(self, tmp_path: Path):
        path = tmp_path / "numbers.csv"
        path.write_text("a,b\n" + "".join(f"{number},{number * 2}\n" for number in range(30)), encoding="utf-8")
        with pytest.raises(DataError, match="neither text nor labelled images"):
            verbs.advise(str(path))


def costs_of_a_fresh_run(recipe: Recipe, path: Path) -> dict[str, float]:
    """By a process of its own: this one holds what the tests before have left, and its peak says nothing of a run."""
    path.write_text(recipe.model_dump_json(by_alias=True, exclude_unset=True), encoding="utf-8")
    command = [sys.executable, "-m", "dianji", "run", str(path), "--json", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    cost: dict[str, float] = json.loads(done.stdout)["stages"][0]["cost"]
    return cost


def test_a_trial_tells_what_a_run_takes(data: Path, tmp_path: Path):
    base = {"new": "transformer", "layers": 2, "width": 64, "heads": 2, "length": 32, "vocabulary": 200}
    stage = {"task": "text-classification", "data": "rows", "evaluate": {"baselines": False}}
    rows = {"path": str(data), "columns": {"text": "query", "label": "intent"}}
    recipe = Recipe.parse({"name": "toy", "base": base, "data": {"rows": rows}, "stages": {"classify": stage}})
    work = schedule(recipe, Store.default()).works[0]
    found = trial(work, base, "cpu")
    cost = costs_of_a_fresh_run(recipe, tmp_path / "recipe.yaml")
    assert (found.parameters, found.trained_parameters) == (cost["parameters"], cost["trainable_parameters"])
    assert found.steps == 30 * -(-work.data.splits["train"].num_rows // 16)
    assert found.once_seconds == 0  # all of it learns
    # Both ran for a second at most, beside other tests: how good estimates are is told by benchmarks/advise.py.
    assert 1 / 4 < found.train_seconds / cost["train_seconds"] < 4
    assert 1 / 2 < found.peak_memory_mb / cost["peak_memory_mb"] < 2


WIDE = {"new": "transformer", "layers": 4, "width": 128, "heads": 2, "length": 32, "vocabulary": 200}


def planned(data: Path, **stage: object) -> tuple[Recipe, Work]:
    """A stage on the questions, and what it will do."""
    stage = {"task": "text-classification", "data": "rows", "evaluate": {"baselines": False}, **stage}
    rows = {"path": str(data), "columns": {"text": "query", "label": "intent"}}
    recipe = Recipe.parse({"name": "toy", "base": WIDE, "data": {"rows": rows}, "stages": {"classify": stage}})
    return recipe, schedule(recipe, Store.default()).works[0]


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """1,500 questions: so many that a trial does not see all of them."""
    path = tmp_path / "many.csv"
    lines = [f"{'please ' * (row % 9)}help me with my {LABELS[row % 3]} {row},{LABELS[row % 3]}" for row in range(1500)]
    path.write_text("\n".join(["query,intent", *lines]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("adapt", "train"),
    [("frozen", {}), ("frozen", {"solver": "loop", "epochs": 10.0}), ("last-layers", {"epochs": 3.0})],
    ids=["fitted", "looped", "last-layers"],
)
def test_a_trial_of_what_is_frozen_tells_what_a_run_takes(
    many: Path, tmp_path: Path, adapt: str, train: dict[str, object]
):
    """Which reads it once: without that, the first two would be told to take several times as long."""
    recipe, work = planned(many, adapt=adapt, train=train)
    assert work.to_the_optimum == (not train)
    found = trial(work, WIDE, "cpu")
    cost = costs_of_a_fresh_run(recipe, tmp_path / "recipe.yaml")
    assert found.once_seconds > 0
    assert 1 / 4 < found.train_seconds / cost["train_seconds"] < 4
    assert 1 / 2 < found.peak_memory_mb / cost["peak_memory_mb"] < 2


def test_a_trial_that_cannot_be_made_says_why(data: Path, monkeypatch):
    rows = {"path": str(data), "columns": {"text": "query", "label": "intent"}}
    stage = {"task": "text-classification", "data": "rows"}
    recipe = Recipe.parse({"name": "toy", "base": "minilm", "data": {"rows": rows}, "stages": {"classify": stage}})
    work = schedule(recipe, Store.default()).works[0]
    with pytest.raises(TrainingError, match="no registered base, and no folder"):
        trial(work, "gone", "cpu")
    monkeypatch.setattr("dianji.pipeline.advise.trial.MOST_SECONDS", 0.01)
    with pytest.raises(TrainingError, match="a few steps took more than"):
        trial(work, "minilm", "cpu")


def tagged(folder: Path) -> Path:
    sentences = [f"Ada B-PER\nlives O\nin O\nRome B-LOC\nsince O\n{number} O\n" for number in range(40)]
    (folder / "names.conll").write_text("\n".join(sentences), encoding="utf-8")
    return folder / "names.conll"


def asked(folder: Path) -> Path:
    rows = [
        {
            "question": f"who built castle {number}?",
            "context": f"The castle number {number} was built by king Otto in the year {1800 + number}.",
            "answers": [{"text": "king Otto", "start": len(f"The castle number {number} was built by ")}],
        }
        for number in range(40)
    ]
    (folder / "castles.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder / "castles.jsonl"


def alike(folder: Path) -> Path:
    rows = [f"a man rides horse {number},a person is on horse {number},{number % 5}.5" for number in range(40)]
    (folder / "pairs.csv").write_text("\n".join(["sentence1,sentence2,score", *rows]) + "\n", encoding="utf-8")
    return folder / "pairs.csv"


def written(folder: Path) -> Path:
    rows = [f"the house number {number} is old,das Haus Nummer {number} ist alt" for number in range(40)]
    (folder / "houses.csv").write_text("\n".join(["en,de", *rows]) + "\n", encoding="utf-8")
    return folder / "houses.csv"


#: The data of a task, the candidates that there must be, and those that there must not be.
KINDS = [
    (tagged, {"minilm, full", "new transformer"}, {"new seq2seq"}),
    (asked, {"minilm, full", "new transformer, masked-language first"}, {"new seq2seq"}),
    (alike, {"minilm, full", "new lstm"}, {"new seq2seq"}),
    (written, {"new seq2seq"}, {"new transformer", "new lstm"}),
]


@pytest.mark.usefixtures("pretend")
@pytest.mark.parametrize(("rows", "expected", "others"), KINDS, ids=[rows.__name__ for rows, _, _ in KINDS])
def test_every_kind_of_data_has_its_candidates(tmp_path: Path, rows, expected, others):
    advice = verbs.advise(str(rows(tmp_path)), recipe=tmp_path / "recipe.yaml")
    names = {option.name for option in advice.options}
    assert expected <= names
    assert not others & names
    assert advice.facts["lengths"].startswith("median")


@pytest.mark.slow
@pytest.mark.parametrize("rows", [rows for rows, _, _ in KINDS])
def test_a_real_trial_of_every_kind_of_data(tmp_path: Path, rows, monkeypatch):
    only = {tagged: "new transformer", asked: "new transformer", alike: "new transformer", written: "new seq2seq"}[rows]
    listed = candidates.candidates

    def one(*arguments):
        found = listed(*arguments)
        return candidates.Field(tuple(candidate for candidate in found.candidates if candidate.name == only))

    monkeypatch.setattr(module, "candidates", one)
    advice = verbs.advise(str(rows(tmp_path)), recipe=tmp_path / "recipe.yaml")
    (option,) = advice.options
    assert option.fits, option.obstacle
    assert option.forecast is not None
    assert option.forecast.seconds > 0
    assert option.forecast.peak_memory_mb > 100
    Recipe.parse(option.recipe, folder=tmp_path)
