"""Components in recipes: known names, fitting arguments, defaults written out."""

import pytest

from dianji.errors import RecipeError
from dianji.spec.components import check_components, fill
from dianji.spec.sections import NewBase, Recipe

TEXT = """\
name: bank
base: {base}
data:
  tickets: {{path: a.csv, {data}}}
stages:
  first:
    task: text-classification
    data: tickets
    {first}
  second:
    task: {task}
    data: tickets
"""


def recipe(base="minilm", data="format: auto", first="adapt: full", task="text-classification") -> Recipe:
    return Recipe.parse(TEXT.format(base=base, data=data, first=first, task=task), source="bank.yaml")


def told(**parts: str) -> str:
    return "\n".join(check_components(recipe(**parts)))


def test_what_fits_is_no_fault():
    parts = {
        "base": "{new: transformer, layers: 2}",
        "data": "format: csv, options: {delimiter: ';'}",
        "first": "adapt: {lora: {rank: 4, alpha: 8, targets: [query]}}",
        "task": "{text-classification: {pooling: mean}}",
    }
    assert told(**parts) == ""


@pytest.mark.parametrize(
    ("parts", "fault"),
    [
        (
            {"task": "text-clasification"},
            "bank.yaml, line 11: stages.second.task: there is no task 'text-clasification'. Did you mean",
        ),
        (
            {"first": "adapt:\n      lora:\n        rnak: 4"},
            "bank.yaml, line 11: stages.first.adapt.lora.rnak: adaptation 'lora' takes no argument 'rnak'. "
            "Did you mean 'rank'?",
        ),
        (
            {"first": "adapt:\n      lora:\n        rank: 4.5"},
            "bank.yaml, line 11: stages.first.adapt.lora.rank: expected a whole number, found the number 4.5",
        ),
        (
            {"first": "techniques: [{ema: {decay: 2}}]"},
            "line 9: stages.first.techniques.0.ema.decay: expected a",
        ),
        ({"first": "techniques: [ema, ema]"}, "stages.first.techniques.1: technique 'ema' is listed twice"),
        ({"first": "train: {optimizer: adamv}"}, "stages.first.train.optimizer: there is no optimizer 'adamv'"),
        ({"first": "train: {schedule: {cosine: {x: 1}}}"}, "schedule 'cosine' takes no argument 'x'"),
        ({"data": "format: cvs"}, "line 4: data.tickets.format: there is no source 'cvs'. Did you mean 'csv'?"),
        ({"data": "format: csv, options: {delim: x}"}, "line 4: data.tickets.options.delim: source 'csv' takes no"),
        ({"base": "{new: transfomer}"}, "line 2: base.new: there is no architecture 'transfomer'. Did you mean"),
        ({"base": "{new: transformer, widht: 8}"}, "line 2: base.widht: architecture 'transformer' takes no"),
        ({"base": "minlm"}, "line 2: base: there is no base 'minlm'. Did you mean 'minilm'?"),
        (
            {"first": "from: secnd"},
            "line 9: stages.first.from: there is no stage or base 'secnd'. Did you",
        ),
    ],
)
def test_faults_name_the_line_and_the_way_out(parts: dict[str, str], fault: str):
    assert fault in told(**parts)


def test_all_faults_are_told():
    assert len(told(base="{new: nothing}", data="format: cvs", first="adapt: lroa", task="none").splitlines()) == 4


def test_folders_and_hub_ids_are_left_to_whoever_opens_them():
    assert told(base="./folder", first="from: org/model") == ""


def test_an_architecture_of_the_other_kind():
    assert "'resnet' is an architecture for image, and the task works on text" in told(base="{new: resnet}")


def test_filling_writes_versions_and_defaults_out():
    filled = fill(recipe("{new: transformer}", "format: csv", "adapt: {lora: {rank: 4}}\n    techniques: [ema]"))
    first = filled.stages["first"]
    assert first.adapt.name == "lora@1"
    assert first.adapt.arguments == {"rank": 4, "alpha": 16.0, "dropout": 0.0, "targets": None}
    assert first.tasks[""].task.arguments["pooling"] == "auto"
    assert first.techniques[0].arguments == {"decay": 0.999}
    assert first.train.optimizer.name == "adamw@1"
    assert isinstance(filled.base, NewBase)
    assert filled.base.arguments["layers"] == 4
    assert filled.data["tickets"].options["quoting"] == "standard"


def test_filling_again_changes_nothing():
    filled = fill(recipe("{new: transformer}", "format: csv", "adapt: lora\n    from: {new: text-cnn}"))
    assert fill(filled) == filled
    assert fill(Recipe.parse(filled.to_json())) == filled


def test_filling_keeps_where_things_were_written():
    assert fill(recipe()).where("stages", "second") == "bank.yaml, line 10: stages.second"


def test_filling_refuses_faults():
    with pytest.raises(RecipeError, match="there is no adaptation 'lroa'"):
        fill(recipe(first="adapt: lroa"))
