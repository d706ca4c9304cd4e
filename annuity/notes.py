"""What a reader of a calculation should know: warnings about these terms, and what the formulas assume."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from annuity.decimals import PAYMENT_PLACES, PERCENT_PLACES, PERIOD_PLACES, YEAR_PLACES, rounded
from annuity.formula import Terms, Timing, Valuation


def warnings(terms: Terms, valuation: Valuation) -> list[str]:
    """What is unusual about these terms, one sentence each; usually nothing."""
    return [*_about_terms(terms), *_about_result(valuation)]


def assumptions(terms: Terms) -> list[str]:
    """What the formulas take for granted, one sentence each."""
    when = "start" if terms.timing is Timing.DUE else "end"
    return [
        "annualRate is nominal: each period earns annualRate / 100 / paymentsPerYear.",
        "annualGrowthRate is effective: it is reached after paymentsPerYear equal steps of growth.",
        f"Payments are made at the {when} of each period; the first is the amount given.",
        "Numbers are decimal, rounded half-up once, at the end.",
    ]


def _about_terms(terms: Terms) -> Iterator[str]:
    if terms.is_perpetual and terms.years is not None:
        yield "years is ignored: the payments never end."
    for name, number, places in _shown(terms):
        if rounded(number, places) != number:
            yield f"{name} is shown rounded to {places} places; the calculation used every digit."


def _about_result(valuation: Valuation) -> Iterator[str]:
    periods = valuation.total_periods
    if periods is not None and not _is_whole(periods):
        yield (
            f"totalPeriods is not whole ({rounded(periods, PERIOD_PLACES)}); the formula was applied to it as it is."
        )
    if valuation.rates_were_equal:
        yield (
            "The rates per period of interest and growth differ by less than 1e-12;"
            " the formula for equal rates was used."
        )
    if not valuation.value:
        yield "The value is too small to be shown."


def _shown(terms: Terms) -> Iterator[tuple[str, Decimal, int]]:
    yield "payment", terms.payment, PAYMENT_PLACES
    yield "annualRate", terms.annual_rate, PERCENT_PLACES
    yield "annualGrowthRate", terms.annual_growth_rate, PERCENT_PLACES
    if terms.years is not None and not terms.is_perpetual:
        yield "years", terms.years, YEAR_PLACES


def _is_whole(number: Decimal) -> bool:
    return number == number.to_integral_value()
