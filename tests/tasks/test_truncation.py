"""What was cut is counted, and said in one sentence."""

import pyarrow as pa

from dianji.tasks.truncation import Truncation, truncation


def examples(whole, length):
    return pa.table({"whole": pa.array(whole, pa.int32()), "length": pa.array(length, pa.int32())})


def test_counts_what_is_longer():
    assert truncation(examples([3, 9, 12, 8], [3, 8, 8, 8])) == Truncation(2, 4, 8, 12)


def test_nothing_where_all_is_read_or_the_task_cuts_nothing():
    assert truncation(examples([3, 8], [3, 8])) == Truncation(of=2)
    assert truncation(examples([], [])) == Truncation()
    assert truncation(pa.table({"length": [3]})) == Truncation(of=1)
    assert not truncation(examples([3], [3]))


def test_sums_up():
    assert Truncation(2, 4, 8, 12) + Truncation(of=10) + Truncation(1, 3, 8, 30) == Truncation(3, 17, 8, 30)


def test_one_sentence():
    assert str(Truncation(312, 10_003, 256, 1204)) == (
        "312 of 10,003 rows (3.1%) are longer than 256 tokens and are cut; the longest has 1,204"
    )
    assert str(Truncation(1, 20, 8, 9)) == "1 of 20 rows (5.0%) is longer than 8 tokens and is cut; it has 9"
    assert str(Truncation(1, 9000, 8, 9)).startswith("1 of 9,000 rows (under 0.1%) is longer")
