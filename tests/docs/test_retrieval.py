"""The blocks of docs/retrieval.md are run in their order, and the index has the files that the page names."""

from __future__ import annotations

import pytest

from tests.docs.blocks import blocks
from tests.docs.test_readme import run

DOCUMENT = "docs/retrieval.md"


@pytest.mark.slow
def test_the_page_does_what_it_says(tmp_path):
    tables = iter(("documents.csv", "queries.csv"))
    said = ""
    for block in blocks(DOCUMENT):
        if block.language == "csv":
            (tmp_path / next(tables)).write_text(block.text, encoding="utf-8")
        elif block.language in {"bash", "python"}:
            said += run(block, tmp_path)
    assert next(tables, None) is None
    assert "lost-card (documents.csv, line 3)" in said
    assert "挂失 (documents.csv, line 5)" in said
    assert "recall-at-10" in said
    (tree,) = (block for block in blocks(DOCUMENT) if block.language == "text")
    named = {name for line in tree.text.splitlines() for name in line.split("   ")[0].split()}
    assert {path.name for path in (tmp_path / "index").iterdir()} == named - {"vectors.faiss"}
