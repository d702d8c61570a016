"""Numbers and names."""

import pytest

from dianji.registry import REGISTRY
from dianji.report.blocks import Words
from dianji.report.wording import interval, named, number, percent, shorten


@pytest.mark.parametrize(
    ("value", "told"), [(0.93456, "0.9346"), (1234.5, "1,234.50"), (-12.0, "-12.00"), (0, "0.0000")]
)
def test_numbers(value, told):
    assert number(value) == told


def test_intervals_shares_and_short_texts():
    assert interval({"low": 0.1, "high": 12.0}) == "0.1000 – 12.00"
    assert percent(0.934) == "93.4 %"
    assert shorten("a \n b", 10) == "a b"
    assert shorten("abcdef", 4) == "abc…"


def test_every_metric_of_ours_has_a_chinese_name():
    assert [name for name in REGISTRY.names("metric") if not isinstance(named(name), Words)] == []
    assert named("from-a-plug-in") == "from-a-plug-in"
