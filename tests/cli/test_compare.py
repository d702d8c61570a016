"""The words of a comparison, over a verb that only pretends."""

import json
from pathlib import Path

import pytest

from dianji import verbs
from dianji.cli import invoke
from dianji.comparison import Comparison, Difference, Recommendation, VariantCost, VariantResult
from dianji.evaluate.metric import Estimate
from dianji.messages import Message
from dianji.results import Plan, PlannedVariant, RunResult

RECIPE = """
name: bank
base: minilm
data: {rows: {path: rows.csv}}
stages:
  intent: {task: text-classification, data: rows}
compare: [intent, {stage: intent, adapt: frozen}]
"""


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    path = tmp_path / "bank.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return str(path)


BEST = Message("recommendation.best-alone", {"variant": "intent", "score": 0.935})
RULE = Message("recommendation.rule", {"slower": 1.25})


def comparison() -> Comparison:
    cost = VariantCost(22_700_000, 22_700_000, 154.2, 1234.0, 4.06, 91_000_000)
    small = VariantCost(22_700_000, 30_000, 7.7, 800.0, 4.1, 91_000_000)
    worse = Difference("intent", Estimate(-0.02, -0.031, -0.011, 3080), {"paired-bootstrap": 0.0004}, 0.0008, "worse")
    return Comparison(
        recipe="bank",
        digest="c" * 32,
        metric="accuracy",
        higher_is_better=True,
        split="test",
        rows=3080,
        seeds=(7, 8, 9),
        variants=(
            VariantResult(
                "intent", "intent", ("a",), (Path("a"),), Estimate(0.935, 0.926, 0.944, 3080), (0.935,), cost
            ),
            VariantResult(
                "frozen",
                "intent",
                ("b",),
                (Path("b"),),
                Estimate(0.915, 0.9, 0.92, 3080),
                (0.915,),
                small,
                worse,
                worse,
            ),
            VariantResult("broken", "intent", ("c",), (), failure="with seed 7: the loss is not a number"),
        ),
        recommendation=Recommendation("intent", Path("a"), BEST, RULE),
        notes=(Message("comparison.one-seed", {"enough": 3}),),
    )


SAID = [
    "",
    "accuracy on 3,080 test rows, mean of the seeds 7, 8, 9",
    "  variant   value    95 % interval  against intent      95 % interval  in words",
    "  intent   0.9350  0.9260 … 0.9440",
    "  frozen   0.9150  0.9000 … 0.9200         -0.0200  -0.0310 … -0.0110  worse (p < 0.001)",
    "",
    "what it costs",
    "  variant      learnt  parameters  training    memory  prediction  on disk",
    "  intent   22,700,000  22,700,000      2:34  1,234 MB      4.1 ms  91.0 MB",
    "  frozen       30,000  22,700,000      0:08    800 MB      4.1 ms  91.0 MB",
    "failed: broken with seed 7: the loss is not a number",
    "",
    str(BEST),
    f"The rule: {RULE}",
    "Note: One seed: the intervals do not include the variation between seeds. Use 3 or more seeds to see it.",
]


def test_compare_in_words_and_as_a_document(recipe, monkeypatch, capsys):
    monkeypatch.setattr(verbs, "compare", lambda loaded, *, reporter: comparison())
    assert invoke(["compare", recipe]) == 0
    assert capsys.readouterr().out.splitlines() == SAID
    assert invoke(["compare", recipe, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads(json.dumps(comparison().to_json()))
    assert document["variants"][1]["against_first"]["verdict"] == "worse"
    assert document["variants"][2]["failure"] == "with seed 7: the loss is not a number"


def test_run_tells_of_the_comparison_too(recipe, monkeypatch, capsys):
    from tests.cli.test_verbs import result

    run = result(Path("artefacts"))
    found = RunResult(run.recipe, run.digest, run.stages, comparison())
    monkeypatch.setattr(verbs, "run", lambda loaded, *, stage, again, profile, reporter: found)
    assert invoke(["run", recipe]) == 0
    assert "\n".join(SAID) in capsys.readouterr().out
    assert invoke(["run", recipe, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["comparison"]["digest"] == "c" * 32
    assert "comparison" not in run.to_json()


def test_check_tells_what_will_be_compared(recipe, monkeypatch, capsys):
    variants = (PlannedVariant("intent", "intent", ("a", "b", "c"), 2),)
    monkeypatch.setattr(verbs, "check", lambda loaded: Plan("bank", "d", (), variants=variants))
    assert invoke(["check", recipe]) == 0
    assert "  intent   intent  2 of 3 runs done" in capsys.readouterr().out


def test_an_interrupted_comparison_says_how_to_go_on(recipe, monkeypatch, capsys):
    def interrupted(loaded, *, reporter):
        raise KeyboardInterrupt("SIGINT: stage intent is saved at step 12")

    monkeypatch.setattr(verbs, "compare", interrupted)
    assert invoke(["compare", recipe]) == 130
    assert "saved at step 12. Run the same command again to go on." in capsys.readouterr().err


def test_a_recipe_that_compares_nothing_says_what_to_write(tmp_path, capsys):
    path = tmp_path / "bank.yaml"
    path.write_text(RECIPE.partition("compare:")[0], encoding="utf-8")
    assert invoke(["compare", str(path)]) == 2
    assert "nothing to compare" in capsys.readouterr().err
