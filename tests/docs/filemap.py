"""Write the file map of ARCHITECTURE.md from the first lines of the modules: ``python -m tests.docs.filemap``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT

SOURCE = ROOT / "src" / "dianji"
PAGE = ROOT / "ARCHITECTURE.md"
BEGIN, END = "## Files of", "## Where things go"


def folders() -> Iterator[Path]:
    """The package and its subpackages that hold modules, outer ones first."""
    yield from (folder for folder in sorted({file.parent for file in SOURCE.rglob("*.py")}) if list(modules(folder)))


def modules(folder: Path) -> Iterator[Path]:
    """Modules of a package, without its own file."""
    yield from (file for file in sorted(folder.glob("*.py")) if not file.name.startswith("__"))


def summary(file: Path) -> str:
    """The first sentence of a module's docstring."""
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    first = " ".join(text.partition("\n\n")[0].split())
    return first.rstrip(".").replace("|", "\\|")


def section(folder: Path) -> str:
    """One table."""
    name = folder.relative_to(SOURCE).as_posix()
    title = "dianji/" if name == "." else f"{name}/"
    rows = [f"| `{file.name}` | {summary(file)} |" for file in modules(folder)]
    return "\n".join([f"**`{title}`**", "", "| file | holds |", "|---|---|", *rows])


def main() -> None:
    """Replace the map."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    heading = rest.partition("\n")[0]
    _, end, after = rest.partition(END)
    tables = "\n\n".join(section(folder) for folder in folders())
    PAGE.write_text(f"{before}{BEGIN}{heading}\n\n{tables}\n\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
