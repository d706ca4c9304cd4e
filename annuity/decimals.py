"""How numbers arrive and leave: text in, text out, decimal in between; no binary float ever sees them."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Context, Decimal

#: The digits a result may have, before and after the point together.
DIGITS = 50
#: Places after the point in which numbers are answered: payments, percents a year, years,
#: rates per period, numbers of periods, values.
PAYMENT_PLACES = 6
PERCENT_PLACES = 6
YEAR_PLACES = 4
RATE_PLACES = 12
PERIOD_PLACES = 4
VALUE_PLACES = 12
#: What that leaves before the point.
WHOLE_DIGITS = DIGITS - VALUE_PLACES

#: Longer than any number that passes the rules below; keeps the pattern and the conversion cheap.
MAX_TEXT = 120

ROUNDING = Context(prec=DIGITS, rounding=ROUND_HALF_UP)

# ASCII on purpose: Decimal itself would take "1_000" and the digits of every script.
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?")
NOT_FINITE = frozenset({"nan", "snan", "inf", "infinity"})


class BadNumber(ValueError):
    """Text that is no number we take; the message is the rule it breaks."""


def read_number(text: str) -> Decimal:
    """
    Read a decimal number, plain or with an exponent, exactly as written.

    :raises BadNumber: naming the rule: syntax, NaN or infinity, or more digits than the arithmetic carries.
    """
    text = text.strip() if len(text) <= MAX_TEXT else text
    if text.lstrip("+-").lower() in NOT_FINITE:
        raise BadNumber("A finite number is required; NaN and infinity are not.")
    if len(text) > MAX_TEXT:
        raise BadNumber(f"A number of at most {MAX_TEXT} characters is required.")
    if NUMBER.fullmatch(text) is None:
        raise BadNumber("A valid number is required.")
    number = Decimal(text)
    if not number:
        return Decimal(0)
    _check_digits(number)
    return number


def _check_digits(number: Decimal) -> None:
    whole = max(0, number.adjusted() + 1)
    places = max(0, -int(number.as_tuple().exponent))
    if whole > WHOLE_DIGITS:
        raise BadNumber(f"Ensure that there are no more than {WHOLE_DIGITS} digits before the decimal point.")
    if whole + places > DIGITS:
        raise BadNumber(f"Ensure that there are no more than {DIGITS} digits in total.")


def rounded(number: Decimal, places: int) -> Decimal:
    """
    ``number`` half-up at ``places`` after the point, never a negative zero.

    :raises decimal.InvalidOperation: when that takes more than ``DIGITS`` digits.
    """
    result = number.quantize(Decimal(1).scaleb(-places), context=ROUNDING)
    return result or abs(result)


def fixed(number: Decimal, places: int) -> str:
    """``number`` as fixed-point text with exactly ``places`` after the point, half-up."""
    return format(rounded(number, places), "f")
