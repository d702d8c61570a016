"""Recipes from text: values, faults with their lines, and where things were written."""

import textwrap
from pathlib import Path

import pytest

from dianji.errors import RecipeError
from dianji.spec.document import read
from dianji.spec.sections import NewBase, Recipe

GOOD = """\
name: bank
base: minilm
data:
  tickets: {path: tickets.jsonl, columns: {text: body}}
stages:
  domain:
    task: masked-language
    data: tickets
  intent:
    task: {text-classification: {length: 64}}
    data: tickets
    train:
      learning_rate: 2e-4
    techniques:
      - early-stopping
      - {ema: {decay: 0.9}}
"""


def faults(text: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        Recipe.parse(textwrap.dedent(text), source="bank.yaml")
    return list(caught.value.faults)


def changed(old: str, new: str) -> list[str]:
    assert old in GOOD
    return faults(GOOD.replace(old, new))


def test_a_good_recipe():
    recipe = Recipe.parse(GOOD)
    intent = recipe.stages["intent"]
    task = intent.tasks[""].task
    assert task.name == "text-classification"
    assert task.arguments == {"length": 64}
    assert intent.train.learning_rate == 2e-4
    assert [str(technique) for technique in intent.techniques] == ["early-stopping", "ema"]
    assert recipe.seed == 0


def test_plain_values_give_the_same_recipe_again():
    recipe = Recipe.parse(GOOD)
    assert Recipe.parse(recipe.to_json()) == recipe


def test_a_recipe_knows_where_it_was_written(tmp_path: Path):
    path = tmp_path / "bank.yaml"
    path.write_text(GOOD, encoding="utf-8")
    recipe = Recipe.load(path)
    assert recipe.where("stages", "intent", "task") == f"{path}, line 10: stages.intent.task"
    assert recipe.where("stages", "intent", "techniques", 1) == f"{path}, line 16: stages.intent.techniques.1"
    # What is not written is told at the nearest key above.
    assert recipe.where("stages", "domain", "train", "epochs") == f"{path}, line 6: stages.domain.train.epochs"
    assert Recipe.parse(recipe.to_json()).where("stages") == "recipe: stages"


def test_where_it_was_written_does_not_make_recipes_differ():
    assert Recipe.parse(GOOD, source="a.yaml") == Recipe.parse("\n\n" + GOOD, source="b.yaml")


def test_all_faults_are_told_at_once_in_the_order_of_the_document():
    found = faults(
        """\
        name: bank
        seed: 1.5
        data:
          t: {path: a.csv, encoding: utf9}
        stages:
          intent:
            task: [text-classification]
            trian: {epochs: 1}
            train: {steps: yes, precision: bf61}
        """
    )
    assert found == [
        "bank.yaml, line 2: seed: expected a whole number, found the number 1.5",
        "bank.yaml, line 4: data.t.encoding: expected auto, or a text encoding that Python knows, found 'utf9'. "
        "Did you mean 'utf-8'? Known: auto, big5, cp437, cp850, cp866, cp874, euc-jp, euc-kr, gb18030, gbk, "
        "iso2022_jp, koi8-r, latin-1, mac-roman, shift_jis, utf-16, utf-8, windows-1250, windows-1251, windows-1252, "
        "windows-1253, windows-1254, windows-1255, windows-1256.",
        "bank.yaml, line 6: stages.intent: the key 'data' is missing",
        "bank.yaml, line 7: stages.intent.task: a component is its name, or {name: {argument: value}}; "
        "found ['text-classification']",
        "bank.yaml, line 8: stages.intent.trian: unknown key. Did you mean 'train'? "
        "Known: adapt, data, evaluate, from, mix, parts, probe, procedure, seed, task, techniques, track, train.",
        "bank.yaml, line 9: stages.intent.train.steps: expected a whole number, found the text 'yes'",
        "bank.yaml, line 9: stages.intent.train.precision: unknown value 'bf61'. Did you mean 'bf16'? "
        "Known: auto, bf16, fp16, fp32.",
    ]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("learning_rate: 2e-4", "learning_rate: '2e-4'", "found the text '2e-4'. Write it without quotes."),
        ("learning_rate: 2e-4", "learning_rate: 0", "expected a number above 0, found the number 0"),
        (
            "learning_rate: 2e-4",
            "learning_rate: .nan",
            "line 13: stages.intent.train.learning_rate: expected a finite number, found nan",
        ),
        (
            "learning_rate: 2e-4",
            "epochs: 1\n      steps: 3",
            "train: give one of epochs, steps or minutes",
        ),
        ("text: body", "text: 3", "found the number 3. Write it in quotes if it is meant as text."),
        ("columns: {text: body}", "strict: yes", "expected true or false, found the text 'yes'. Write true."),
        ("columns: {text: body}", "limit: some", "such as '10 per label', found 'some'"),
        ("columns: {text: body}", "split: {test: 1.0}", "data.tickets.split.test: expected a number below 1 or text"),
        ("columns: {text: body}", "split: {test: 0.5, validation: 0.5}", "leave no rows to train on"),
        ("columns: {text: body}", "split: {within: user}", "split: within has no meaning without time"),
        ("columns: {text: body}", "split: {last: 1}", "split: last has no meaning without within"),
        ("columns: {text: body}", "split: {fold: 1}", "split: fold has no meaning without folds"),
        ("columns: {text: body}", "split: {folds: 5, fold: 6}", "split: fold 6 of 5 folds; expected 1 to 5"),
        ("columns: {text: body}", "split: {folds: 5, test: 0.2}", "split: give one of folds and test: they contradict"),
        ("columns: {text: body}", "split: {folds: 2, validation: 0.5}", "one of 2 folds together leave no rows"),
        ("columns: {text: body}", "split: {time: at, stratify: a}", "split: give one of time and stratify"),
        ("columns: {text: body}", "split: {transductive: a, group: b}", "split: give one of transductive and group"),
        ("base: minilm", "base: {layers: 2}", "line 2: base: a base is a registered name, a Hub id or a folder"),
        ("base: minilm", "base: 3", "{new: architecture, argument: value}; found 3"),
        ("name: bank", "name: my bank", "letters, digits, '_', '.' and '-'"),
        ("      - early-stopping", "      - 4", "techniques.0: a component is its name"),
        (
            "{ema: {decay: 0.9}}",
            "{ema: 0.9}",
            "the arguments of 'ema' are a mapping: {ema: {argument: value}}",
        ),
        ("  domain:", "  domain: 3\n  other:", "stages.domain: expected a mapping, found the number 3"),
    ],
)
def test_wrong_values_say_what_was_expected_and_found(old: str, new: str, told: str):
    assert told in "\n".join(changed(old, new))


def test_a_repeated_key_is_told_with_the_other_faults():
    found = changed("base: minilm", "base: minilm\nname: shop\nbse: x")
    assert found[0] == "bank.yaml, line 3: the key 'name' is already given on line 1. Remove one of the two."
    assert "bse: unknown key. Did you mean 'base'?" in found[1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "bank.yaml: the recipe is empty."),
        ("# only a comment\n", "bank.yaml: the recipe is empty."),
        ("- a\n- b\n", "bank.yaml: expected a mapping, found a list."),
        ("just text", "bank.yaml: expected a mapping, found the text 'just text'."),
        ("name: a\n\tbase: b\n", "bank.yaml, line 2: a tab stands where YAML takes spaces only."),
        ("name: [a\n", "not valid YAML"),
        ("name: a\n---\nname: b\n", "line 2: a second document begins"),
        ("name: a\x00b\n", "line 1: the character U+0000 is not allowed"),
        ("name: *gone\n", "line 1: found undefined alias 'gone'"),
        ("name: &a [*a]\n", "line 1: an alias refers to the value that it stands in"),
        ("name: !!python/object/apply:os.system [ls]\n", "the tag '!!python/object/apply:os.system' is not used"),
        ("? [a, b]\n: c\n", "a key is plain text, not a list or a mapping"),
        ("[" * 3000, "nested too deeply"),
    ],
)
def test_what_is_not_a_recipe(text: str, told: str):
    assert told in faults(text)[0]


def test_aliases_that_multiply_are_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "more than 100,000 values" in faults("\n".join(lines))[0]


def test_yaml_values_are_those_of_yaml_1_2():
    text = "a: no\nb: on\nc: 12:30\nd: 2026-01-01\ne: 1e-3\nf: 010\ng: 0x1F\nh: ~\ni: .5\nj: '5'\nk: true\nno: x"
    values, _, found = read(text, "x")
    assert found == []
    assert values == {
        "a": "no", "b": "on", "c": "12:30", "d": "2026-01-01", "e": 0.001, "f": 10, "g": 31, "h": None,
        "i": 0.5, "j": "5", "k": True, "no": "x",
    }  # fmt: skip


def test_anchors_and_merges():
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a"
    values, origin, found = read(text, "x")
    assert found == []
    assert values["b"] == {"x": 1, "y": 3}
    assert values["c"] == {"x": 1, "y": 2}
    assert origin.where("b", "x") == "x, line 1: b.x"


def test_files_that_cannot_be_read(tmp_path: Path):
    def told(path: Path) -> str:
        with pytest.raises(RecipeError) as caught:
            Recipe.load(path)
        return str(caught.value)

    (tmp_path / "latin.yaml").write_bytes(b"name: a\nbase: caf\xe9\n")
    (tmp_path / "wide.yaml").write_bytes("name: a".encode("utf-16"))
    assert "there is no such file. Make a recipe with: dianji init DATA" in told(tmp_path / "none.yaml")
    assert "this is a folder" in told(tmp_path)
    assert "line 2: byte 0xe9 is not UTF-8" in told(tmp_path / "latin.yaml")
    assert "in UTF-16, and UTF-8 was expected" in told(tmp_path / "wide.yaml")


def test_a_byte_order_mark_is_no_fault(tmp_path: Path):
    path = tmp_path / "bank.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert Recipe.load(path).name == "bank"


def test_a_new_base_keeps_its_arguments():
    base = Recipe.parse(GOOD.replace("base: minilm", "base: {new: transformer, layers: 2}")).base
    assert isinstance(base, NewBase)
    assert (base.new, base.arguments) == ("transformer", {"layers": 2})


MISSPELT = """\
name: bank
base: minilm
data:
  tickets: {path: tickets.jsonl}
stages:
  intent:
    task: text-clasification
    data: tickets
    adapt: {lora: {rnak: 8}}
    train: {epocs: 3, schedule: liner}
    shedule: linear
    techniques: [early-stoping]
"""


def test_components_are_told_beside_sections():
    found = "\n".join(faults(MISSPELT))
    for told in (
        "line 7: stages.intent.task: there is no task 'text-clasification'. Did you mean 'text-classification'?",
        "line 9: stages.intent.adapt.lora.rnak: adaptation 'lora' takes no argument 'rnak'. Did you mean 'rank'?",
        "line 10: stages.intent.train.epocs: unknown key. Did you mean 'epochs'?",
        "line 10: stages.intent.train.schedule: there is no schedule 'liner'. Did you mean 'linear'?",
        "line 11: stages.intent.shedule: unknown key.",
        "line 12: stages.intent.techniques.0: there is no technique 'early-stoping'. Did you mean 'early-stopping'?",
    ):
        assert told in found
    assert len(faults(MISSPELT)) == 6


def test_what_goes_with_a_section_at_fault_is_not_told_twice():
    """A stage without data is left out; that another one starts from it is no second fault."""
    found = faults(GOOD.replace("    task: masked-language\n    data: tickets\n", "    task: masked-language\n"))
    assert found == ["bank.yaml, line 6: stages.domain: the key 'data' is missing"]
    found = faults(MISSPELT.replace("name: bank\n", ""))
    assert found[0] == "bank.yaml: the key 'name' is missing"
    assert len(found) == 7


def test_references_are_told_beside_sections():
    found = faults(GOOD.replace("name: bank", "name: my bank").replace("data: tickets", "data: t"))
    assert len([fault for fault in found if "there is no data section 't'" in fault]) == 2


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan", ".NaN"])
def test_numbers_without_an_end_are_refused_with_their_key(value):
    text = GOOD.replace("decay: 0.9", f"decay: {value}").replace("learning_rate: 2e-4", f"weight_decay: {value}")
    assert [fault.partition(", found")[0] for fault in faults(text)] == [
        "bank.yaml, line 13: stages.intent.train.weight_decay: expected a finite number",
        "bank.yaml, line 16: stages.intent.techniques.1.ema.decay: expected a finite number",
    ]


def test_so_are_those_of_plain_values():
    plain = Recipe.parse(GOOD).to_json()
    plain["stages"]["intent"]["train"]["learning_rate"] = float("inf")
    plain["stages"]["domain"]["task"] = {"masked-language": {"probability": float("nan")}}
    with pytest.raises(RecipeError) as caught:
        Recipe.parse(plain)
    assert list(caught.value.faults) == [
        "recipe: stages.domain.task.masked-language.probability: expected a finite number, found nan",
        "recipe: stages.intent.train.learning_rate: expected a finite number, found inf",
    ]
