"""
The value of a series of payments that may grow: pure decimal arithmetic, no Django, no clock, no floats.

Formulas and limits are those of the HTTP contract (``docs/contracts.md``, annuity):

* ``i = annual_rate / 100 / payments_per_year``
* ``g = (1 + annual_growth_rate / 100) ** (1 / payments_per_year) - 1``
* ``n = years * payments_per_year``
* fv: ``payment * ((1 + i)**n - (1 + g)**n) / (i - g)``, or ``payment * n * (1 + i)**(n - 1)`` when ``|i - g| < 1e-12``
* pv: ``payment * (1 - ((1 + g) / (1 + i))**n) / (i - g)``, or ``payment * n / (1 + i)`` when they are equal
* perpetual: ``payment / (i - g)``; due: each of them times ``1 + i``

Everything is computed with so many guard digits that cancellation cannot reach the 50 that are published,
and rounded once, half-up.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, DivisionByZero, InvalidOperation, Overflow, localcontext
from enum import StrEnum

from annuity.decimals import PERIOD_PLACES, RATE_PLACES, VALUE_PLACES, WHOLE_DIGITS, rounded
from mozaiks.kit.errors import Invalid, Unprocessable

MAX_YEARS = 10_000
MAX_PAYMENTS_PER_YEAR = 365
EQUAL_RATES = Decimal("1e-12")

# i - g may be as small as 1e-12, years as short as 1e-50 and amounts as large as 1e38: the cancellation of all
# of them together costs about 100 digits, so that more than 50 are left.
WORKING = Context(
    prec=170, rounding=ROUND_HALF_UP, Emin=-999_999, Emax=999_999, traps=[DivisionByZero, InvalidOperation, Overflow]
)
GUARD_DIGITS = 20

ONE = Decimal(1)
ZERO = Decimal(0)


class Mode(StrEnum):
    """Which end of the series the value is taken at."""

    FUTURE_VALUE = "fv"
    PRESENT_VALUE = "pv"


class Timing(StrEnum):
    """Whether a payment is made at the end of its period or at its start."""

    ORDINARY = "ordinary"
    DUE = "due"


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """
    What is asked: ``payment`` in any currency, rates in percent a year, ``years`` None where payments never end.

    ``annual_rate`` is nominal; ``annual_growth_rate`` is effective, the growth of the payments in a year.
    """

    mode: Mode
    timing: Timing
    payment: Decimal
    annual_rate: Decimal
    payments_per_year: int
    years: Decimal | None = None
    annual_growth_rate: Decimal = ZERO
    is_perpetual: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Valuation:
    """What comes out, rounded: rates per period to 12 places, periods to 4, the value to 12."""

    periodic_rate: Decimal
    periodic_growth_rate: Decimal
    total_periods: Decimal | None
    value: Decimal
    rates_were_equal: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Series:
    """The numbers of the formulas, at working precision; ``growth`` is ``1 + g``, ``periods`` None when endless."""

    payment: Decimal
    i: Decimal
    growth: Decimal
    periods: Decimal | None

    @property
    def spread(self) -> Decimal:
        """``i - g``."""
        return (ONE + self.i) - self.growth

    @property
    def rates_equal(self) -> bool:
        return self.periods is not None and abs(self.spread) < EQUAL_RATES


def evaluate(terms: Terms) -> Valuation:
    """
    Value ``terms``.

    :raises Invalid: for terms that break a rule, with the camelCase names of the fields.
    :raises Unprocessable: when the value has more digits than can be represented.
    """
    check(terms)
    try:
        with localcontext(WORKING):
            return _evaluate(terms)
    except (Overflow, InvalidOperation):
        raise Unprocessable(
            f"value: it cannot be represented with at most {WHOLE_DIGITS} digits before the decimal point"
            f" and {VALUE_PLACES} after it.",
            code="VALUE_NOT_REPRESENTABLE",
        ) from None


def _evaluate(terms: Terms) -> Valuation:
    series = _series(terms)
    value = _present_value(series) if terms.mode is Mode.PRESENT_VALUE else _future_value(series)
    if terms.timing is Timing.DUE:
        value *= ONE + series.i
    return Valuation(
        periodic_rate=rounded(series.i, RATE_PLACES),
        periodic_growth_rate=rounded(series.growth - ONE, RATE_PLACES),
        total_periods=None if series.periods is None else rounded(series.periods, PERIOD_PLACES),
        value=rounded(value, VALUE_PLACES),
        rates_were_equal=series.rates_equal,
    )


def _present_value(series: _Series) -> Decimal:
    if series.periods is None:
        return series.payment / series.spread
    if series.rates_equal:
        return series.payment * series.periods / (ONE + series.i)
    discount = (series.growth / (ONE + series.i)) ** series.periods
    return series.payment * (ONE - discount) / series.spread


def _future_value(series: _Series) -> Decimal:
    if series.periods is None:
        raise ValueError("payments that never end have no future value")
    interest = ONE + series.i
    if series.rates_equal:
        return series.payment * series.periods * interest ** (series.periods - ONE)
    return series.payment * (interest**series.periods - series.growth**series.periods) / series.spread


def _series(terms: Terms) -> _Series:
    """The numbers of the formulas; to be called in the working context."""
    per_year = Decimal(terms.payments_per_year)
    years = None if terms.is_perpetual else terms.years
    return _Series(
        payment=terms.payment,
        i=terms.annual_rate / 100 / per_year,
        growth=_root(ONE + terms.annual_growth_rate / 100, per_year),
        periods=None if years is None else years * per_year,
    )


def _root(base: Decimal, degree: Decimal) -> Decimal:
    """``base ** (1 / degree)``. The guard digits make roots exact that are exact, so that equal rates compare equal."""
    if base == ONE or degree == ONE:
        return base
    with localcontext() as guarded:
        guarded.prec += GUARD_DIGITS
        root = base ** (ONE / degree)
    return +root


def check(terms: Terms) -> None:
    """
    Hold ``terms`` against the limits of the contract.

    :raises Invalid: with every broken rule under the camelCase name of its field.
    """
    broken = _broken_ranges(terms) | _broken_span(terms)
    if not broken and terms.is_perpetual and not _interest_exceeds_growth(terms):
        broken["isPerpetual"] = (
            "Payments that never end need an interest rate per period above the growth rate per period."
        )
    if broken:
        raise Invalid(
            " ".join(f"{name}: {sentence}" for name, sentence in broken.items()),
            field_errors={name: [sentence] for name, sentence in broken.items()},
        )


def _broken_ranges(terms: Terms) -> dict[str, str]:
    broken: dict[str, str] = {}
    if terms.payment <= 0:
        broken["payment"] = "Ensure this value is greater than 0."
    if terms.annual_rate <= -100:
        broken["annualRate"] = "Ensure this value is greater than -100."
    if terms.annual_growth_rate <= -100:
        broken["annualGrowthRate"] = "Ensure this value is greater than -100."
    if not 1 <= terms.payments_per_year <= MAX_PAYMENTS_PER_YEAR:
        broken["paymentsPerYear"] = f"Ensure this value is a whole number from 1 to {MAX_PAYMENTS_PER_YEAR}."
    return broken


def _broken_span(terms: Terms) -> dict[str, str]:
    if terms.is_perpetual:
        if terms.mode is Mode.PRESENT_VALUE:
            return {}
        return {"isPerpetual": "Only a present value (mode pv) can be asked of payments that never end."}
    if terms.years is None:
        return {"years": "This field is required unless isPerpetual is true."}
    if not 0 < terms.years <= MAX_YEARS:
        return {"years": f"Ensure this value is greater than 0 and at most {MAX_YEARS}."}
    return {}


def _interest_exceeds_growth(terms: Terms) -> bool:
    with localcontext(WORKING):
        return _series(terms).spread > 0
