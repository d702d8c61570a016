from __future__ import annotations

import pytest

from dianji.data.quality.checksums import is_bank_card, is_chinese_id, luhn

#: Test numbers that issuers and payment services publish.
CARDS = [
    "4111111111111111", "4222222222222", "5555555555554444", "5105105105105100", "2223003122003222",
    "378282246310005", "371449635398431", "30569309025904", "38520000023237", "6011111111111117",
    "3530111333300000", "6200000000000005",
]  # fmt: skip


@pytest.mark.parametrize("number", CARDS)
def test_published_cards_pass_and_any_changed_digit_fails(number):
    assert is_bank_card(number)
    for place, digit in enumerate(number):
        changed = f"{number[:place]}{(int(digit) + 1) % 10}{number[place + 1 :]}"
        assert not luhn(changed)


@pytest.mark.parametrize("number", ["49927398716", "79927398713"])
def test_luhn_on_the_textbook_numbers(number):
    assert luhn(number)
    assert not luhn(number[:-1] + str((int(number[-1]) + 5) % 10))


@pytest.mark.parametrize(
    "number",
    [
        "0000000000000000",  # no issuer
        "411111111111111111",  # Visa has no 18 digits, whatever the check digit
        "9111111111111111",
    ],
)
def test_what_no_issuer_gives_out_is_no_card(number):
    assert not is_bank_card(number)


@pytest.mark.parametrize("number", ["11010519491231002X", "11010519491231002x", "440524188001010014"])
def test_the_ids_of_the_standard_pass(number):
    assert is_chinese_id(number)


def test_every_other_check_character_fails():
    assert [sign for sign in "0123456789X" if is_chinese_id("11010519491231002" + sign)] == ["X"]


def test_an_id_without_a_date_of_birth_fails():
    body = "11010519491331002"  # month 13
    assert not any(is_chinese_id(body + sign) for sign in "0123456789X")
