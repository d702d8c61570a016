"""The README's blocks are run in the order in which they stand, in a folder with the files that they name."""

import csv
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from itertools import cycle, islice
from pathlib import Path

import pytest
import typer
import yaml

from dianji.cli import app
from dianji.spec.components import check_components
from dianji.spec.references import check_references
from dianji.spec.sections import Recipe
from tests.conftest import ROOT
from tests.docs.blocks import Block, anchors, blocks, prose, read

ENGLISH, CHINESE = "README.md", "README.zh-CN.md"
DOCUMENTS = [
    ENGLISH,
    CHINESE,
    "CONTRIBUTING.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")),
]
PHRASINGS = {
    "card_arrival": ["where is my card", "my new card has not come yet", "when will the card arrive"],
    "card_stolen": ["my card was stolen", "somebody took my card", "block my card, it is gone"],
    "refund": ["i want my money back", "please refund the order", "how do i get a refund"],
}

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group, since there are several
FLAGS = {flag for command in COMMANDS.values() for parameter in command.params for flag in parameter.opts}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the README's commands find their files."""
    rows = [(text, intent) for intent, texts in PHRASINGS.items() for text in texts]
    with (tmp_path / "intents.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["query", "intent", "customer_id"])
        for number, (text, intent) in enumerate(islice(cycle(rows), 36)):
            writer.writerow([f"{text} {number}", intent, f"c{number % 12}"])
    tickets = [{"body": f"{text}. {other}."} for text, _ in rows for other, _ in rows[:3]]
    (tmp_path / "tickets.jsonl").write_text("".join(json.dumps(ticket) + "\n" for ticket in tickets))
    (tmp_path / "new.txt").write_text("has my card been sent?\ngive me my money\n")
    return tmp_path


def run(block: Block, folder: Path) -> str:
    """Run one block as a reader would."""
    command = {
        "bash": ["bash", "-euo", "pipefail", "-c"],
        "python": [sys.executable, "-W", "error::DeprecationWarning:__main__", "-c"],
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    del environment["DIANJI_HOME"]  # so that .dianji lies where the README says
    ran = subprocess.run(
        [*command[block.language], block.text], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, f"{block}\n{ran.stdout}{ran.stderr}"
    return ran.stdout


@pytest.mark.slow
def test_the_readme_does_what_it_says(folder):
    said = ""
    for block in blocks(ENGLISH):
        if block.language == "yaml":
            (folder / "bank.yaml").write_text(block.text, encoding="utf-8")
        elif block.language in {"bash", "python"} and not block.not_run:
            said += run(block, folder)
    assert "has no faults" in said
    assert len((folder / "answers.jsonl").read_text().splitlines()) == 2
    finished = list((folder / ".dianji" / "steps").glob("*/artefact"))
    assert len(finished) == 3, "domain, intent, and the one call of finetune"
    told = {path.partition("/")[0] for line in tree() for path in line.split("   ")[0].split()}
    there = {path.name for artefact in finished for path in artefact.iterdir()}
    assert {name for name in told if name not in there} == set()
    assert {name for name in there if name not in told} <= {
        "tokenizer_config.json",
        "README.md",
        "config_sentence_transformers.json",
        "sentence_bert_config.json",
    }


def tree() -> list[str]:
    """The lines of the README that list an artefact's files."""
    (block,) = (block for block in blocks(ENGLISH) if block.language == "text")
    return block.text.splitlines()


@pytest.mark.parametrize("document", [ENGLISH, CHINESE, "CONTRIBUTING.md"])
def test_what_is_not_run_could_be(document):
    """Targets exist in the Makefile, extras in pyproject.toml."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    for block in blocks(document):
        if not block.not_run:
            continue
        for line in block.commands:
            first, *rest = shlex.split(line)
            if first == "make":
                assert rest[0] in targets, line
            elif first == "pip":
                assert rest[0] == "install", line
                assert {extra for found in re.findall(r"\[(.+)\]", line) for extra in found.split(",")} <= extras, line
            else:
                assert first == ".venv/bin/python", line


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_and_flag_in_the_text_exists(document):
    for span in re.findall(r"`([^`\n]+)`", prose(document)):
        verb = re.match(r"dianji ([a-z]+)", span)
        if verb:
            assert verb.group(1) in COMMANDS, span
        if verb or span.startswith("--"):
            assert set(re.findall(r"--[a-z][a-z-]*", span)) <= FLAGS | {"--help", "--version"}, span


def test_every_verb_stands_in_the_readme():
    assert [verb for verb in COMMANDS if f"`dianji {verb}" not in read(ENGLISH)] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(document)):
        if not target.startswith(("http://", "https://")):
            path, _, anchor = target.partition("#")
            file = (ROOT / document).parent / path if path else ROOT / document
            assert file.exists(), target
            assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if name.startswith("docs/")])
def test_recipes_in_documents_have_no_faults(document):
    for block in blocks(document):
        if block.language != "yaml":
            continue
        found = yaml.safe_load(block.text)
        if "stages" in found and "name" in found:
            assert check_components(Recipe.parse(found)) == [], str(block)
            assert check_references(Recipe.parse(found)) == [], str(block)


def test_both_languages_have_the_same_sections():
    levels = [re.findall(r"^(#+) ", prose(document), flags=re.MULTILINE) for document in (ENGLISH, CHINESE)]
    assert levels[0] == levels[1]


def test_both_languages_have_the_same_blocks():
    english, chinese = blocks(ENGLISH), blocks(CHINESE)
    assert [(b.language, b.not_run) for b in english] == [(b.language, b.not_run) for b in chinese]
    for one, other in zip(english, chinese, strict=True):
        if one.language == "text":
            assert [line.split("   ")[0] for line in one.text.splitlines()] == [
                line.split("   ")[0] for line in other.text.splitlines()
            ]
        else:
            assert _without_comments(one.text) == _without_comments(other.text)


def test_both_languages_have_the_same_tables():
    """Row by row: the same codes, and the same figures."""
    english, chinese = (re.findall(r"^\|.*\|$", prose(document), flags=re.MULTILINE) for document in (ENGLISH, CHINESE))
    assert len(english) == len(chinese)
    for one, other in zip(english, chinese, strict=True):
        assert set(re.findall(r"`[^`]+`", one)) == set(re.findall(r"`[^`]+`", other)), one
    figures = [
        re.search(r"<!-- figures -->(.*)<!-- /figures -->", read(d), flags=re.DOTALL) for d in (ENGLISH, CHINESE)
    ]
    numbers = [re.findall(r"\d+(?:[.,]\d+)*", found.group(1)) if found else None for found in figures]
    assert numbers[0] is not None
    assert numbers[0] == numbers[1]


def _without_comments(text: str) -> list[str]:
    return [re.sub(r"\s*#.*$", "", line) for line in text.splitlines()]
