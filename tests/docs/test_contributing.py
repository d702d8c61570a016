"""The worked example of CONTRIBUTING.md passes the contracts it names, with nothing changed elsewhere."""

import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from dianji.registry import HOMES
from tests.conftest import ROOT
from tests.docs.blocks import Block, blocks, read

DOCUMENT = "CONTRIBUTING.md"
FILES = {block.path: block for block in blocks(DOCUMENT) if block.path}

#: The packages of the installed dianji, continued in the example's folder.
CONFTEST = """
import dianji.evaluate.metrics
import dianji.tasks

dianji.evaluate.metrics.__path__.append("{root}/src/dianji/evaluate/metrics")
dianji.tasks.__path__.append("{root}/src/dianji/tasks")
"""


@pytest.fixture
def example(tmp_path: Path) -> Path:
    for path, block in FILES.items():
        file = tmp_path / str(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text, encoding="utf-8")
    (tmp_path / "conftest.py").write_text(CONFTEST.format(root=tmp_path), encoding="utf-8")
    return tmp_path


def test_there_are_three_files_and_none_is_there_already():
    assert len(FILES) == 3
    assert not [path for path in FILES if (ROOT / str(path)).exists()]


@pytest.mark.slow
def test_the_three_files_pass_their_own_tests(example):
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "tests", "-q", "-W", "error", "-p", "no:cacheprovider", "-p", "no:xdist"],
        cwd=example,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
    assert " passed" in ran.stdout
    assert " skipped" not in ran.stdout


@pytest.mark.parametrize("command", [["check", "--ignore=I"], ["format", "--check"]])
def test_the_three_files_are_linted_as_ours_are(example, command):
    config = f"--config={ROOT / 'pyproject.toml'}"
    ran = subprocess.run(
        [sys.executable, "-m", "ruff", command[0], config, "--no-cache", *command[1:], *map(str, FILES)],
        cwd=example,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("block", [b for b in blocks(DOCUMENT) if b.language == "toml"], ids=str)
def test_entry_points_are_well_formed(block: Block):
    groups = tomllib.loads(block.text)["project"]["entry-points"]
    for group, entries in groups.items():
        assert group.removeprefix("dianji.") in HOMES
        for name, value in entries.items():
            assert EntryPoint(name, value, group).module


def test_every_kind_is_named_as_a_group():
    text = read(DOCUMENT)
    assert [kind for kind in HOMES if f"`dianji.{kind}`" not in text] == []
