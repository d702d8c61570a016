"""The JSON schema: agrees with what the loader takes, and changes only on purpose."""

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
import yaml

from dianji.spec.schema import json_schema

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/golden/recipe-schema.json"
EXAMPLES = sorted(path for path in (ROOT / "examples").rglob("*.yaml"))

GOOD = """
name: bank
base: {new: transformer, layers: 2}
data:
  tickets: {path: a.csv, format: csv, options: {delimiter: ";"}, split: {test: 0.2, validation: dev.csv}, limit: 10}
stages:
  domain: {task: masked-language, data: tickets}
  intent:
    from: domain
    task: {text-classification: {pooling: mean}}
    data: tickets
    adapt: {lora: }
    train: {optimizer: {adamw: {eps: 1.0e-6}}, epochs: 2}
    techniques: [ema, {early-stopping: {patience: 2}}]
"""


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_a_good_recipe_is_valid(validator):
    assert list(validator.iter_errors(yaml.safe_load(GOOD))) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pooling: mean", "pooling: men"),
        ("{lora: }", "{lora: {rnak: 3}}"),
        ("{lora: }", "lroa"),
        ("layers: 2", "layers: two"),
        ("delimiter", "delimeter"),
        ("epochs: 2", "epochs: 0"),
        ("    from: domain", "    form: domain"),
        ("name: bank", "nme: bank"),
        ("  intent:", "  in tent:"),
    ],
)
def test_faults_are_invalid(validator, old: str, new: str):
    assert old in GOOD
    assert list(validator.iter_errors(yaml.safe_load(GOOD.replace(old, new))))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_examples_are_valid(validator, path: Path):
    assert list(validator.iter_errors(yaml.safe_load(path.read_text(encoding="utf-8")))) == []


def test_every_reference_leads_somewhere(validator):
    text = json.dumps(validator.schema)
    assert "x-component" not in text
    assert all(f'"{ref}"' in text for ref in validator.schema["$defs"])


def test_what_the_schema_said_it_still_says():
    """Components may be added without a word; what was there may only change on purpose."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    lost = list(missing(golden, json_schema()))
    assert not lost, f"{lost}\nif the change is meant: dianji schema > tests/golden/recipe-schema.json"


def missing(golden: object, found: object, where: str = "") -> Iterator[str]:
    """Places of ``golden`` that are not in ``found``; lists are sets here."""
    if isinstance(golden, dict) and isinstance(found, dict):
        for key, value in golden.items():
            yield from missing(value, found[key], f"{where}/{key}") if key in found else [f"{where}/{key}"]
    elif isinstance(golden, list) and isinstance(found, list):
        yield from (f"{where}: {item}" for item in golden if item not in found)
    elif golden != found:
        yield f"{where}: {golden!r} became {found!r}"
