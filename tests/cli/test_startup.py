"""Starting: fast, without torch, and with public names found when they are needed."""

import json
import subprocess
import sys
import time

import pytest

import dianji
from dianji import errors
from dianji.spec.sections import Recipe

HEAVY = ["torch", "transformers", "pyarrow", "numpy", "rich", "pydantic", "sklearn", "accelerate", "peft"]


def loaded_by(code: str) -> list[str]:
    told = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys, json; print(json.dumps(list(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(set(HEAVY) & set(json.loads(told.stdout.splitlines()[-1])))


def test_importing_the_package_imports_nothing_heavy():
    assert loaded_by("import dianji") == []


def test_help_imports_nothing_heavy():
    assert loaded_by("from dianji.cli import invoke; assert invoke(['--help']) == 0") == []


def test_reading_a_recipe_imports_no_torch():
    code = "import dianji; dianji.Recipe.parse('name: x\\ndata: {a: {path: b}}\\nstages: {a: {task: t, data: a}}')"
    assert loaded_by(code) == ["pydantic"]


def test_help_of_every_verb_imports_no_torch():
    verbs = [
        "init",
        "check",
        "run",
        "compare",
        "predict",
        "evaluate",
        "show",
        "report",
        "list",
        "schema",
        "data",
        "index",
        "search",
        "verify",
        "log",
        "diff",
        "gc",
    ]
    code = f"from dianji.cli import invoke\nfor v in {verbs}: assert invoke([v, '--help']) == 0"
    assert loaded_by(code) in ([], ["pydantic"])  # typer takes pydantic where it finds it


def test_help_starts_within_three_times_of_its_libraries():
    def seconds(*arguments: str) -> float:
        begin = time.perf_counter()
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
        return time.perf_counter() - begin

    # The best of several interleaved runs: what else the machine does only ever adds.
    pairs = [(seconds("-m", "dianji", "--help"), seconds("-c", "import typer, pydantic, yaml")) for _ in range(5)]
    ours, theirs = (min(side) for side in zip(*pairs, strict=True))
    assert ours <= 3 * theirs


def test_public_names_are_found():
    assert dianji.Recipe is Recipe
    assert dianji.RecipeError is errors.RecipeError
    assert dianji.__version__
    assert set(dianji.__all__) <= set(dir(dianji))
    for name in dianji.__all__:
        assert getattr(dianji, name) is not None


def test_every_error_is_public():
    tree = {
        name for name, value in vars(errors).items() if isinstance(value, type) and value.__module__ == errors.__name__
    }
    assert tree <= set(dianji.__all__)


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        dianji.nothing  # noqa: B018
