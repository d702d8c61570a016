"""Check digits of numbers that belong to a person."""

from __future__ import annotations

from datetime import date

#: Weights and check characters of ISO 7064 MOD 11-2, as GB 11643-1999 uses them.
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"
#: First digits of the issuers' ranges -> how long their numbers are. Longer beginnings come first.
_ISSUERS = (
    (("34", "37"), (15,)),  # American Express
    (("300", "301", "302", "303", "304", "305", "36", "38", "39"), (14, 16, 19)),  # Diners Club
    (("35",), (16, 19)),  # JCB
    (("62", "81"), (16, 17, 18, 19)),  # UnionPay
    (("60", "64", "65"), (16, 19)),  # Discover and others
    (("51", "52", "53", "54", "55", "22", "23", "24", "25", "26", "27"), (16,)),  # Mastercard, Mir
    (("4",), (13, 16, 19)),  # Visa
)


def luhn(digits: str) -> bool:
    """Whether the last digit checks the others (ISO/IEC 7812-1).

    >>> luhn("79927398713"), luhn("79927398710")
    (True, False)
    """
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


def is_bank_card(digits: str) -> bool:
    """Whether an issuer gives out such numbers, and the check digit is right."""
    for beginnings, lengths in _ISSUERS:
        if digits.startswith(beginnings):
            return len(digits) in lengths and luhn(digits)
    return False


def is_chinese_id(number: str) -> bool:
    """Whether 17 digits hold a date of birth and the 18th character checks them (GB 11643-1999).

    >>> is_chinese_id("11010519491231002X")
    True
    """
    try:
        date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, number[:17], strict=True))
    return _CHECKS[total % 11] == number[17].upper()
