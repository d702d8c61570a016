"""ARCHITECTURE.md names the files and layers that there are, and no others."""

import re
import tomllib

from tests.conftest import ROOT
from tests.docs.blocks import blocks, read

SOURCE = ROOT / "src" / "dianji"
TEXT = read("ARCHITECTURE.md")


def named() -> set[str]:
    """Paths below ``src/dianji`` that the file map names."""
    map_ = TEXT.partition("## Files of")[2].partition("## Where things go")[0]
    found: set[str] = set()
    folder = ""
    for word in re.findall(r"`([a-z0-9_/]+/|[\w.]+\.(?:py|typed))`", map_):
        if word.endswith("/"):
            folder = word.removeprefix("dianji/")
        else:
            found.add(folder + word)
    return found


def test_the_file_map_is_complete():
    files = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if not path.name.startswith("__")}
    told = {path for path in named() if "__" not in path and path != "py.typed"}
    assert files - told == set(), "add the file to ARCHITECTURE.md"
    assert told - files == set(), "no such file"


def test_paths_in_the_text_exist():
    for path in re.findall(r"`([a-z0-9_]+/[a-z0-9_]+\.py)`", TEXT):
        assert (SOURCE / path).is_file(), path


def test_the_layers_are_those_that_are_checked():
    checked = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]["layers"]
    told = [
        word for line in blocks("ARCHITECTURE.md")[0].text.splitlines() for word in re.split(r" {2,}", line)[0].split()
    ]
    assert told == [layer.removeprefix("dianji.") for layer in checked]
