import pytest
from hypothesis import given
from hypothesis import strategies as st

from dianji.data.findings import Findings
from dianji.data.schemes import Span, tags_of
from dianji.data.sniff import file_format
from dianji.data.source import Place
from dianji.data.sources.conll import Conll, to_conll
from dianji.errors import DataError

NEWS = """-DOCSTART- -X- O O

EU NNP I-NP I-ORG
rejects VBZ I-VP O
German JJ I-NP I-MISC
call NN I-NP O

Peter NNP I-NP I-PER
Blackburn NNP I-NP I-PER

-DOCSTART- -X- O O

BRUSSELS NNP I-NP I-LOC
Paris NNP I-NP B-LOC
"""


def place(folder, text, name="news.conll"):
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return Place(str(file), name)


def read(folder, text, findings=None, **options):
    findings = findings or Findings()
    table = Conll(**options).read(place(folder, text), "auto", findings)
    findings.check()
    return table


def test_reads_the_shared_task_of_2003(tmp_path):
    table = read(tmp_path, NEWS)
    assert table["tokens"].to_pylist()[:2] == [["EU", "rejects", "German", "call"], ["Peter", "Blackburn"]]
    assert table["tags"].to_pylist() == [
        ["B-ORG", "O", "B-MISC", "O"],
        ["B-PER", "I-PER"],
        ["B-LOC", "B-LOC"],
    ]
    assert table["__source__"].to_pylist() == [f"news.conll, line {line}" for line in (3, 8, 13)]
    assert table["document"].to_pylist() == ["news.conll 1", "news.conll 1", "news.conll 2"]


def test_another_column_can_be_the_tag(tmp_path):
    table = read(tmp_path, NEWS, tag=1)
    assert table["tags"].to_pylist()[0] == ["NNP", "VBZ", "JJ", "NN"]


@pytest.mark.parametrize(
    "text",
    [
        "a\tB-X\nb\tI-X\nc\tO\n\nd\tB-Y\n",
        "a\tI-X\nb\tI-X\nc\tO\n\nd\tI-Y",
        "a B-X\nb E-X\nc O\n \nd S-Y\n\n\n",
        "a\tB-X\r\nb\tL-X\r\nc\tO\r\n\r\nd\tU-Y\r\n",
        "a\tB-X\nb\tI-X\nc\tO\n\t\nd\tB-Y\n",
    ],
)
def test_all_schemes_come_out_as_bio(tmp_path, text):
    table = read(tmp_path, text)
    assert table["tokens"].to_pylist() == [["a", "b", "c"], ["d"]]
    assert table["tags"].to_pylist() == [["B-X", "I-X", "O"], ["B-Y"]]


def test_words_may_hold_spaces_where_tabs_divide(tmp_path):
    assert read(tmp_path, "New York\tB-LOC\nis\tO\n\nx\tO\n")["tokens"].to_pylist() == [["New York", "is"], ["x"]]


def test_a_file_of_words_alone_has_no_tags(tmp_path):
    assert read(tmp_path, "a\nb\n\nc\n").column_names == ["tokens", "__source__"]


def test_every_tag_that_breaks_the_scheme_is_a_fault(tmp_path):
    with pytest.raises(DataError) as told:
        read(tmp_path, "a\tB-X\nb\tI-Y\n\nc\tI-X\nd\tB-Y\n")
    assert "news.conll, line 2: I-Y does not follow B-Y or I-Y, as BIO asks for" in str(told.value)
    assert "news.conll, line 4: I-X does not follow B-X or I-X" in str(told.value)
    assert read(tmp_path, "a\tB-X\nb\tI-Y\n\nd\tB-Y\n", repair=True)["tags"].to_pylist() == [["B-X", "B-Y"], ["B-Y"]]


def test_a_scheme_that_is_named_is_asked_for(tmp_path):
    with pytest.raises(DataError, match="line 1: I-X does not follow"):
        read(tmp_path, "a\tI-X\nb\tO\n", scheme="bio")
    assert read(tmp_path, "a\tB-X\nb\tVB\n", scheme="plain")["tags"].to_pylist() == [["B-X", "VB"]]


def test_tags_with_and_without_positions_do_not_mix(tmp_path):
    with pytest.raises(DataError, match="line 3: 'VB' where most tags have a position such as B- or I-"):
        read(tmp_path, "a\tB-X\nb\tI-X\nc\tVB\n")


def test_lines_of_another_size_are_faults_with_their_lines(tmp_path):
    with pytest.raises(DataError, match="line 2: 1 column where the other lines have 2"):
        read(tmp_path, "a\tO\nb\nc\tB-X\n")


def test_comments_before_a_sentence_are_left_out_and_told(tmp_path):
    findings = Findings()
    table = read(tmp_path, "# id 1\na\tO\n#\tB-X\n\n# id 2\nb\tO\n", findings)
    assert table["tokens"].to_pylist() == [["a", "#"], ["b"]]
    assert findings.warnings == ["news.conll: 2 lines that begin with # left out (line 1; 5)"]


def test_places_in_segments_are_removed_from_words(tmp_path):
    table = read(tmp_path, "科0\tO\n技1\tO\n5\tO\n", positions=True)
    assert table["tokens"].to_pylist() == [["科", "技", "5"]]


@pytest.mark.parametrize(("options", "told"), [({"tag": 4}, "no column 0 or 4"), ({"word": 2}, "no column 2 or -1")])
def test_says_which_columns_there_are(tmp_path, options, told):
    with pytest.raises(DataError, match=f"its lines have 2 columns, so there is {told}"):
        read(tmp_path, "a\tO\n", **options)


@pytest.mark.parametrize("text", ["-DOCSTART- O\n\n", "-DOCSTART- -X- O O\n\n \n"])
def test_a_file_without_sentences_is_an_error(tmp_path, text):
    with pytest.raises(DataError, match="holds no sentence"):
        read(tmp_path, text)


WORD = st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1, max_size=4)


@st.composite
def corpora(draw):
    rows = []
    for _ in range(draw(st.integers(1, 4))):
        words = draw(st.lists(WORD, min_size=1, max_size=5))
        spans = [Span(place, place + 1, draw(st.sampled_from("AB"))) for place in range(0, len(words), 2)]
        rows.append((words, tags_of(spans[: draw(st.integers(0, len(spans)))], len(words))))
    return rows


@given(rows=corpora(), scheme=st.sampled_from([None, "bio", "iob1", "bioes"]))
def test_what_is_written_is_read_back(tmp_path_factory, rows, scheme):
    table = read(tmp_path_factory.mktemp("conll"), "".join(to_conll(rows, scheme)), separator="tab")
    assert list(zip(table["tokens"].to_pylist(), table["tags"].to_pylist(), strict=True)) == rows


def test_does_not_write_what_would_be_read_otherwise():
    with pytest.raises(DataError, match="row 1: 'a b' is empty or holds white space"):
        list(to_conll([(["a b"], ["O"])]))


@pytest.mark.parametrize(
    ("name", "text", "format_"),
    [
        ("wnut.train", NEWS, "conll"),
        ("tags.txt", "a\tB-X\nb\tI-X\n\nc\tO\n\n", "conll"),
        ("tags.tsv", "a\tB-X\nb\tI-X\n\nc\tO\n\n", "conll"),
        ("x.iob", "a\n", "conll"),
        ("labels.txt", "good\tyes\nbad\tno\n\nbad\tno\nfine\tyes\n", "labelled-text"),
        ("prose.txt", "This is an O\n\nAnother one is O\nand B-52\nmore\nand more\n", "text"),
    ],
)
def test_is_recognised_by_its_tags(tmp_path, name, text, format_):
    assert file_format(place(tmp_path, text, name)) == format_
