"""The chain of digests, and every link of it that can be forged."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dianji.artefact.verify import origin
from dianji.artefact.verify.subject import Faults
from dianji.testing.tampering import edit_json
from tests.artefact.conftest import subject_of


def told(folder: Path) -> str:
    faults = Faults()
    origin.check(subject_of(folder), faults)
    return "\n".join(str(fault) for fault in faults.found)


def changed(*path: str | int, to: Any) -> Callable[[Any], Any]:
    """Set what lies at a path of a document."""

    def change(document: Any) -> Any:
        place = document
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to
        return document

    return change


def test_a_clean_chain(artefact: Path) -> None:
    assert told(artefact) == ""


@pytest.mark.parametrize(
    ("file", "change", "expected"),
    [
        ("dianji.json", changed("seed", to=6), r"dianji.json: seed: expected 5, found 6"),
        ("dianji.json", changed("digest", to="0" * 32), r"spec.json: digest of the spec"),
        ("dianji.json", changed("digest", to="yes"), r"dianji.json: digest: expected a digest"),
        ("dianji.json", changed("parents", 0, "digest", to="0" * 32), r"dianji.json: parents"),
        ("dianji.json", changed("parents", 0, "kind", to="base"), r"lineage.json: stages before this one"),
        ("dianji.json", changed("adaptation", "arguments", "rank", to=8), r"dianji.json: adaptation"),
        ("dianji.json", changed("techniques", to=[]), r"dianji.json: techniques"),
        ("dianji.json", changed("task", "arguments", "threshold", to=0.9), r"task.threshold: expected 0.5, found 0.9"),
        ("evidence/spec.json", changed("parent", to="0" * 32), r"digest of the spec"),
        ("evidence/data.json", changed("digest", to="0" * 64), r"data.json: digest"),
        ("evidence/recipe.json", changed("seed", to=6), r"recipe.json: seed: expected 5, found 6"),
        ("evidence/recipe.json", changed("name", to="x"), r"recipe.json: name: expected golden, found x"),
        ("evidence/recipe.json", changed("stages", "intent", "adapt", to="full@1"), r"adaptation of intent"),
        ("evidence/recipe.json", changed("stages", "intent", "train", "epochs", to=1.0), r"train of intent"),
        ("evidence/recipe.json", changed("data", "intents", "limit", to=3), r"data.intents.limit"),
        ("evidence/lineage.json", changed(0, "digest", to="0" * 32), r"digest of ancestor 1, domain"),
        ("evidence/lineage.json", changed(0, "spec", "seed", to=6), r"digest of the spec of domain"),
        ("evidence/lineage.json", lambda chain: [], r"tells nothing of stage domain"),
        ("evidence/lineage.json", lambda chain: chain * 2, r"digest of ancestor 2, domain"),
    ],
)
def test_a_broken_link_is_named(artefact: Path, file: str, change: Callable[[Any], Any], expected: str) -> None:
    edit_json(artefact / file, change)
    assert re.search(expected, told(artefact))


def test_when_to_save_is_no_part_of_what_was_learnt(artefact: Path) -> None:
    edit_json(artefact / "evidence/recipe.json", changed("stages", "intent", "train", "checkpoint_every", to=7))
    assert told(artefact) == ""
