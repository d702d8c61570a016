"""The section ``compare``: what may be written, what is told of faults, and the recipes that come of it."""

import textwrap

import pytest

from dianji.errors import RecipeError
from dianji.spec.components import check_components
from dianji.spec.references import check_references
from dianji.spec.sections import NewBase, Recipe
from dianji.spec.variants import as_recipe, label, same_names, section, where, written_out

RECIPE = """\
name: bank
seed: 7
base: minilm
data:
  tickets: {path: tickets.jsonl}
  intents: {path: intents.csv}
stages:
  domain: {task: masked-language, data: tickets}
  intent:
    task: text-classification
    data: intents
    train: {epochs: 10, batch_size: 8, learning_rate: 1e-4}
    techniques: [ema]
  later: {task: text-classification, data: intents}
compare:
"""


def recipe(variants: str) -> Recipe:
    return Recipe.parse(RECIPE + textwrap.indent(textwrap.dedent(variants), "  "), source="bank.yaml")


def faults(variants: str) -> list[str]:
    try:
        found = recipe(variants)
    except RecipeError as error:
        return list(error.faults)
    return [*check_references(found), *check_components(found), *same_names(found)]


def test_a_list_and_a_mapping_say_the_same():
    listed = recipe("- intent\n- {stage: intent, from: minilm}\n")
    mapped = recipe("seeds: 3\nvariants: [intent, {stage: intent, from: minilm}]\n")
    assert listed == mapped
    assert section(listed).seeds == 3
    assert section(recipe("seeds: 5\nvariants: [intent, domain]\n")).seeds == 5
    assert Recipe.parse(listed.to_json()) == listed


def test_where_a_variant_is_written():
    listed = recipe("- intent\n- {stage: intent, from: minilm}\n")
    assert where(listed, 1, "from") == "bank.yaml, line 17: compare.variants.1.from"
    mapped = recipe("seeds: 3\nvariants:\n  - intent\n  - stage: intent\n    adapt: frozen\n")
    assert where(mapped, 1, "adapt") == "bank.yaml, line 20: compare.variants.1.adapt"


@pytest.mark.parametrize("form", ["{}", "seeds: 3\nvariants:\n{}"])
@pytest.mark.parametrize(
    ("variant", "told"),
    [
        ("{stage: intent, adpat: full}", "variants.1.adpat: unknown key. Did you mean 'adapt'?"),
        ("{adapt: full}", "variants.1: the key 'stage' is missing"),
        ("{stage: intnet}", "variants.1.stage: there is no stage 'intnet'. Did you mean 'intent'?"),
        ("{stage: intent, adapt: frozn}", "variants.1.adapt: there is no adaptation 'frozn'. Did you mean 'frozen'?"),
        ("{stage: intent, adapt: {lora: {rnak: 3}}}", "adaptation 'lora' takes no argument 'rnak'"),
        ("{stage: intent, from: minlm}", "variants.1.from: there is no stage or base 'minlm'"),
        ("{stage: intent, from: {new: vit}}", "'vit' is an architecture for image"),
        ("{stage: intent, task: {text-classification: {length: 0}}}", "variants.1.task"),
        ("{stage: intent, techniques: [emma]}", "variants.1.techniques.0: there is no technique 'emma'"),
        ("{stage: intent, train: {epoch: 3}}", "variants.1.train.epoch: unknown key. Did you mean 'epochs'?"),
        ("{stage: intent, train: {epochs: 3, steps: 4}}", "give one of epochs, steps or minutes"),
        ("{stage: intent, train: {optimizer: adamv}}", "there is no optimizer 'adamv'"),
        ("{stage: intent, data: intnts}", "variants.1.data: there is no data section 'intnts'"),
        ("{stage: intent, data: 3}", "variants.1.data: expected text, found the number 3"),
        ("{stage: intent, data: {intents: {limit: few}}}", "such as '10 per label', found 'few'"),
        (
            "{stage: intent, data: {intents: {lmit: 5, limit: 5}}}",
            "variants.1.data.intents.lmit: unknown key. Did you mean 'limit'?",
        ),
        ("{stage: intent, data: {intents: {}}}", "variants.1.data.intents: the key 'limit' is missing"),
        ("{stage: intent, data: {intents: {limit: 5}, tickets: {limit: 5}}}", "found 2 of them"),
        ("intent", "the variants 1 and 2 are both called 'intent'"),
    ],
)
def test_faults_are_told_with_their_lines(form, variant, told):
    found = faults(form.replace("{}", f"- intent\n- {variant}\n"))
    assert len(found) == 1, found
    line = 17 if form == "{}" else 19
    assert f"bank.yaml, line {line}: compare.variants.1" in found[0]
    assert told in found[0]


def test_one_variant_is_nothing_to_compare_and_seeds_are_counted_from_one():
    assert "expected at least 2 of them" in faults("- intent\n")[0]
    assert "compare.seeds: expected a number of at least 1" in faults("seeds: 0\nvariants: [intent, domain]\n")[0]


def test_a_recipe_without_the_section_says_what_to_write():
    plain = Recipe.parse(RECIPE.replace("compare:\n", ""))
    with pytest.raises(RecipeError, match=r"nothing to compare.*compare: \[later, "):
        section(plain)


def test_a_variant_keeps_what_it_does_not_change_and_what_it_starts_from():
    found = as_recipe(recipe("- intent\n- {stage: intent, adapt: frozen}\n"), 1, seed=8)
    assert list(found.stages) == ["domain", "intent"]
    assert found.compare is None
    assert found.seed == 7
    intent = found.stages["intent"]
    assert (intent.from_, str(intent.adapt), intent.seed, intent.train.epochs) == ("domain", "frozen", 8, 10)
    assert found.stages["domain"].from_ == "minilm"
    assert found.stages["domain"].seed is None


def test_another_start_leaves_out_the_stages_before():
    variants = recipe("- {stage: intent, from: minilm}\n- {stage: intent, from: {new: transformer, layers: 2}}\n")
    assert list(as_recipe(variants, 0, 0).stages) == ["intent"]
    start = as_recipe(variants, 1, 0).stages["intent"].from_
    assert start == NewBase(new="transformer", arguments={"layers": 2})


def test_of_the_training_only_what_is_given_changes():
    variants = recipe(
        "- {stage: intent, train: {steps: 5, clip_norm: null}}\n- {stage: intent, train: {batch_tokens: 512}}\n"
    )
    train = as_recipe(variants, 0, 0).stages["intent"].train
    assert (train.steps, train.epochs, train.learning_rate, train.clip_norm) == (5, None, 1e-4, None)
    other = as_recipe(variants, 1, 0).stages["intent"].train
    assert (other.batch_size, other.batch_tokens, other.epochs) == (None, 512, 10)


def test_techniques_can_be_taken_away():
    variants = recipe("- intent\n- {stage: intent, techniques: []}\n")
    assert [len(as_recipe(variants, number, 0).stages["intent"].techniques) for number in (0, 1)] == [1, 0]


def test_fewer_rows_are_the_compared_stages_alone():
    variants = recipe(
        "- {stage: intent, data: {intents: {limit: 5 per label}}}\n- {stage: later, data: {intents: {limit: 9}}}\n"
    )
    alone = as_recipe(variants, 0, 0)
    assert (alone.stages["intent"].data, alone.data["intents"].limit) == ("intents", "5 per label")
    shared = as_recipe(variants, 1, 0)
    assert shared.data[shared.stages["later"].tasks[""].data].limit == 9
    assert shared.data[shared.stages["intent"].tasks[""].data].limit is None


def test_no_variant_starts_from_itself():
    variants = recipe("- domain\n- {stage: domain, from: later}\n")
    with pytest.raises(RecipeError, match=r"line 17: compare.variants.1.from: 'domain' would start from itself"):
        as_recipe(variants, 1, 0)


def test_names_tell_what_differs():
    variants = recipe(
        """\
        - intent
        - {stage: intent, name: plain, techniques: []}
        - {stage: intent, from: {new: transformer, layers: 2}, techniques: []}
        - {stage: intent, data: {intents: {limit: 5 per label}}, adapt: {lora: {rank: 8}}}
        - {stage: intent, train: {learning_rate: 1e-3, epochs: 2}, techniques: [ema, early-stopping]}
        - {stage: intent, data: {intents: {limit: }}, task: {text-classification: {length: 9}}}
        """
    )
    assert [label(variants, index) for index in range(6)] == [
        "intent",
        "plain",
        "intent, from new transformer (layers 2), no techniques",
        "intent, 5 per label, adapt lora (rank 8)",
        "intent, epochs 2, learning_rate 0.001, ema and early-stopping",
        "intent, task text-classification (length 9), all rows",
    ]


def test_written_out_it_says_the_same_beside_a_stage_that_was_filled():
    variants = recipe("- {stage: intent, adapt: frozen, data: {intents: {limit: 9}}}\n- {stage: intent, adapt: full}\n")
    stage = as_recipe(variants, 0, 0).stages["intent"]
    full = written_out(variants, 0, stage)
    assert full.name == "intent, 9 rows, adapt frozen"
    filled = variants.model_copy(
        update={"compare": section(variants).model_copy(update={"variants": [full, section(variants).variants[1]]})}
    )
    again = Recipe.parse(filled.to_json())
    assert again == filled
    assert as_recipe(again, 0, 0).stages == as_recipe(variants, 0, 0).stages
    assert as_recipe(again, 0, 0).data == as_recipe(variants, 0, 0).data
