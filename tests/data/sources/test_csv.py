from __future__ import annotations

import pytest

from dianji.data.findings import Findings
from dianji.data.source import SOURCE, Place
from dianji.data.sources.csv import Csv
from dianji.data.sources.tsv import Tsv
from dianji.errors import DataError
from dianji.registry import REGISTRY


def read(text, source=None):
    findings = Findings()
    table = (source or Csv()).read(Place("-", "toy.csv", content=text.encode()), "auto", findings)
    return table, findings


def test_multi_line_cells_keep_line_numbers_right():
    table, findings = read('text,label\r\n"first\r\nsecond, with ""quotes""",a\r\nplain,b\r\n')
    assert table["text"].to_pylist() == ['first\r\nsecond, with "quotes"', "plain"]
    assert table[SOURCE].to_pylist() == ["toy.csv, line 2", "toy.csv, line 4"]
    assert not findings.count


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_sniffed(delimiter):
    others = ",;|".replace(delimiter, "")
    table, _ = read(f"text{delimiter}label\nwell{others} yes{delimiter}a\n")
    assert table.column_names == ["text", "label", SOURCE]
    assert table["text"][0].as_py() == f"well{others} yes"


def test_prose_in_a_single_column_elects_no_delimiter():
    table, findings = read("text\nno commas here; but a semicolon\n\nlast\n")
    assert table["text"].to_pylist() == ["no commas here; but a semicolon", "", "last"]
    assert not findings.count


def test_a_named_delimiter_and_header():
    table, _ = read("a;b\nc;d\n", Csv(delimiter=";", header=("text", "label")))
    assert table["text"].to_pylist() == ["a", "c"]
    assert table[SOURCE][0].as_py() == "toy.csv, line 1"


def test_too_many_and_too_few_cells_are_all_reported():
    _, findings = read("text,label\nok,a\none\nx,y,z\n")
    assert findings.faults == [
        "toy.csv, line 3: 1 cell where the header has 2 (text, label). Write the missing cells.",
        "toy.csv, line 4: 3 cells where the header has 2 (text, label). Quote cells that hold a ','.",
    ]


def test_text_after_a_closing_quote_is_reported_and_reading_goes_on():
    table, findings = read('text,label\n"broken" here,a\nfine,b\n"also"x,c\n')
    assert [fault.split(":")[0] for fault in findings.faults] == ["toy.csv, line 2", "toy.csv, line 4"]
    assert "closing quote" in findings.faults[0]
    assert table["text"].to_pylist() == ["fine"]


def test_a_quote_that_is_never_closed_names_where_it_opened():
    _, findings = read('text,label\nfine,a\n"never closed,b\nmore,c\n')
    assert findings.count == 1
    assert findings.faults[0].startswith("toy.csv, line 3: a quote is opened and never closed")


def test_blank_lines_are_left_out_and_said():
    table, findings = read("text,label\na,b\n\nc,d\n\n")
    assert table.num_rows == 2
    assert findings.warnings == ["toy.csv: 2 blank lines left out (line 3; 5)"]


def test_header_only():
    with pytest.raises(DataError, match=r"has a header \(text, label\) and no rows"):
        read("text,label\n")


def test_a_column_named_twice():
    with pytest.raises(DataError, match="line 1: the header names 'text' more than once"):
        read("text,label,text\na,b,c\n")


def test_a_nameless_column_is_numbered():
    table, _ = read(",text\n0,a\n")
    assert table.column_names == ["column_1", "text", SOURCE]


def test_a_cell_of_ten_megabytes():
    table, findings = read('text,label\n"' + "long " * 2_000_000 + '",a\nshort,b\n')
    assert len(table["text"][0].as_py()) == 10_000_000
    assert not findings.count


def test_unquoted_csv():
    table, _ = read('text,label\n"half,a\n', Csv(quoting="none"))
    assert table["text"].to_pylist() == ['"half']


def test_tsv_takes_stray_quotes_as_characters():
    table, findings = read('label\ttext\nham\t"Hello" he said\nham\t"open\nspam\tclose"\n', Tsv())
    assert table["text"].to_pylist() == ['"Hello" he said', '"open', 'close"']
    assert not findings.count


def test_tsv_keeps_quoting_where_the_file_does():
    table, _ = read('label\ttext\nham\t"two\nlines"\nham\t"a ""word"""\n', Tsv())
    assert table["text"].to_pylist() == ["two\nlines", 'a "word"']


def test_options_are_the_constructor():
    assert REGISTRY.build("source", "csv", {"delimiter": ";", "header": ["a", "b"]}) == Csv(
        delimiter=";", header=("a", "b")
    )
