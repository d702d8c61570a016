"""What came of a comparison, read back."""

from types import SimpleNamespace
from typing import Any

import pytest

from dianji.errors import StoreError
from dianji.pipeline.compare import digest_of
from dianji.pipeline.comparison_cache import cached_comparison
from dianji.store.atomic import write_json
from dianji.store.steps import Store
from tests.report.made import comparison

PLANNED: Any = SimpleNamespace(variants=[], split="test", metric="accuracy")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_what_was_kept_is_read_back(store):
    for found in (comparison(), comparison(recommendation=None)):
        write_json(store.comparison(digest_of(PLANNED)), found.to_json())
        assert cached_comparison(PLANNED, store) == found


def test_nothing_was_kept(store):
    assert cached_comparison(PLANNED, store) is None


@pytest.mark.parametrize("content", ["{", "[]", '{"seeds": [1]}', "\xff"])
def test_a_damaged_file_is_refused(store, content):
    path = store.comparison(digest_of(PLANNED))
    path.parent.mkdir()
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(StoreError, match="Run dianji compare again"):
        cached_comparison(PLANNED, store)
