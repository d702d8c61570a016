from __future__ import annotations

import json

import pyarrow as pa
import pytest

from dianji.data.quality.personal import found, masked, personal_data

FOUND = {
    "write to jane.doe+spam@mail.example.co.uk.": [("e-mail", "jane.doe+spam@mail.example.co.uk")],
    "邮箱是lihua@163.com，谢谢": [("e-mail", "lihua@163.com")],
    "my phone is +44 20 7946 0018": [("phone", "+44 20 7946 0018")],
    "call 08712300220 now": [("phone", "08712300220")],
    "(212) 555-0187 or 212-555-0188": [("phone", "(212) 555-0187"), ("phone", "212-555-0188")],
    "座机010-62345678转3": [("phone", "010-62345678")],
    "手机号13812345678，请回电": [("chinese-mobile", "13812345678")],
    "电话：138 1234 5678": [("chinese-mobile", "138 1234 5678")],
    "＋86 138-1234-5678": [("chinese-mobile", "+86 138-1234-5678")],
    "手机１３８１２３４５６７８": [("chinese-mobile", "13812345678")],
    "身份证11010519491231002X": [("chinese-id", "11010519491231002X")],
    "pay with 4111 1111 1111 1111, thanks": [("bank-card", "4111 1111 1111 1111")],
    "卡号6200000000000005。": [("bank-card", "6200000000000005")],
    "from 203.0.113.7.": [("ipv4", "203.0.113.7")],
    "at 2001:db8:0:1::8a2e:7334, port 80": [("ipv6", "2001:db8:0:1::8a2e:7334")],
    "a@b.cc and 13812345678": [("e-mail", "a@b.cc"), ("chinese-mobile", "13812345678")],
}
NOTHING = [
    "",
    "@home, at 5 @ 3",
    "order 20231224123456 of 12.12.2023 at 12:30:45",
    "4111 1111 1111 1112",  # the check digit is wrong
    "110105194912310021",  # so is this one
    "version 10.20.300.4 of std::map and a::b",
    "127.0.0.1 and ::1",
    "price 1,234,567.89 or 0.0871230022",
    "id X13812345678Y, 138123456789",
    "pi is 3.14159265358979",
]


@pytest.mark.parametrize("text", FOUND)
def test_what_is_found(text):
    assert list(found(text)) == FOUND[text]


@pytest.mark.parametrize("text", NOTHING)
def test_what_is_not(text):
    assert list(found(text)) == []


def test_counts_per_column_and_kind_with_rows_and_nothing_in_full():
    texts = ["nothing", "13812345678 and 13912345678", None, "jane@example.com", "13812345678"]
    sources = [f"a.csv, line {number}" for number in range(2, 7)]
    report = personal_data(
        {"text": pa.chunked_array([texts]), "note": pa.chunked_array([[""] * 5])}, pa.chunked_array([sources])
    )
    assert set(report) == {"text", "note"}
    assert report["note"] == {}
    assert report["text"]["e-mail"] == {
        "count": 1, "values": 1, "rows": [{"row": "a.csv, line 5", "value": "j**************m"}],
    }  # fmt: skip
    mobile = report["text"]["chinese-mobile"]
    assert (mobile["count"], mobile["values"]) == (2, 3)
    assert [entry["row"] for entry in mobile["rows"]] == ["a.csv, line 3", "a.csv, line 6"]
    told = json.dumps(report)
    assert "13812345678" not in told
    assert "jane@example.com" not in told


def test_the_first_look_misses_nothing_that_the_second_finds():
    texts = list(FOUND)
    report = personal_data({"text": pa.chunked_array([texts])}, pa.chunked_array([texts]))
    rows = {entry["row"] for kind in report["text"].values() for entry in kind["rows"]}
    assert rows == set(texts)


@pytest.mark.parametrize("value", ["1.1.1.1", "jane@example.com", "a@b.cc"])
def test_a_mask_keeps_two_characters(value):
    assert len(masked(value)) == len(value)
    assert sum(sign != "*" for sign in masked(value)) == 2


def test_long_hostile_texts_take_no_time():
    for text in ("a@" * 20_000, "1 " * 20_000, ":a" * 20_000, "+1" * 20_000, "a." * 20_000 + "@" + "b." * 20_000):
        list(found(text))
