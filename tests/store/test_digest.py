"""The same value, file or folder always gets the same name."""

from __future__ import annotations

import hashlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dianji.store.digest import LENGTH, canonical, digest_file, digest_files, digest_value

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdef", max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(PLAIN)
def test_canonical_json_reads_back(value):
    import json

    assert json.loads(canonical(value)) == value


@given(st.dictionaries(st.text("abc", max_size=3), st.integers(), min_size=2))
def test_the_order_of_keys_does_not_matter(value):
    turned = dict(reversed(value.items()))
    assert canonical(turned) == canonical(value)
    assert digest_value(turned) == digest_value(value)


def test_canonical_has_no_spaces_and_keeps_chinese():
    assert canonical({"b": [1, 2.5], "a": "奠基"}) == '{"a":"奠基","b":[1,2.5]}'


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_has_not_are_refused(number):
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical({"loss": [number]})


def test_what_is_not_plain_is_refused():
    with pytest.raises(TypeError, match="set"):
        canonical({"labels": {1, 2}})


@pytest.mark.parametrize(("one", "other"), [(1, "1"), (1, 1.0), ([], {}), (None, False), ("a", ["a"]), (0, False)])
def test_values_that_differ_get_digests_that_differ(one, other):
    assert digest_value(one) != digest_value(other)


def test_a_digest_is_a_short_sha256_of_the_canonical_text():
    whole = hashlib.sha256(b'{"a":1}').hexdigest()
    assert digest_value({"a": 1}) == whole[:LENGTH]


def test_a_file_is_its_bytes(tmp_path):
    file = tmp_path / "weights"
    file.write_bytes(bytes(range(256)) * 5000)
    assert digest_file(file) == hashlib.sha256(bytes(range(256)) * 5000).hexdigest()


def test_a_folder_is_its_files_by_relative_name(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two").write_bytes(b"2")
    (tmp_path / "b" / "dianji.json").write_bytes(b"deep")
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "dianji.json").write_bytes(b"top")
    found = digest_files(tmp_path, skip=["dianji.json"])
    assert list(found) == ["a", "b/dianji.json", "b/two"]  # only the one at the top is skipped
    assert found["b/two"] == hashlib.sha256(b"2").hexdigest()
