"""The arithmetic: to the digit, against hand-checked numbers and against the cash flows summed one by one."""

from __future__ import annotations

from contextlib import suppress
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annuity.formula import Mode, Terms, Timing, evaluate
from mozaiks.kit.errors import Invalid, Unprocessable

FV, PV = Mode.FUTURE_VALUE, Mode.PRESENT_VALUE


def terms(**changes: Any) -> Terms:
    """Three yearly payments of 100 at 10 percent, at the end of each year, unless told otherwise."""
    given = {"mode": FV, "timing": Timing.ORDINARY, "payment": "100", "annual_rate": "10", "years": "3", **changes}
    for name in ("payment", "annual_rate", "annual_growth_rate", "years"):
        if isinstance(given.get(name), str):
            given[name] = Decimal(given[name])
    return Terms(payments_per_year=given.pop("payments_per_year", 1), **given)


def value(**changes: Any) -> str:
    return format(evaluate(terms(**changes)).value, "f")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "331.000000000000"),
        ({"timing": Timing.DUE}, "364.100000000000"),
        ({"mode": PV}, "248.685199098422"),
        ({"mode": PV, "timing": Timing.DUE}, "273.553719008264"),
        ({"annual_growth_rate": "5"}, "346.750000000000"),
        ({"annual_growth_rate": "5", "mode": PV}, "260.518407212622"),
        ({"annual_rate": "5", "annual_growth_rate": "5"}, "330.750000000000"),
        ({"annual_rate": "5", "annual_growth_rate": "5", "mode": PV}, "285.714285714286"),
        ({"annual_rate": "5", "annual_growth_rate": "5", "mode": PV, "timing": Timing.DUE}, "300.000000000000"),
        ({"annual_rate": "0"}, "300.000000000000"),
        ({"annual_rate": "0", "mode": PV, "payments_per_year": 12}, "3600.000000000000"),
        ({"annual_rate": "-50", "years": "2"}, "150.000000000000"),
        ({"annual_rate": "10", "annual_growth_rate": "-50", "years": "2"}, "160.000000000000"),
        ({"annual_rate": "10", "payments_per_year": 2, "years": "1"}, "205.000000000000"),
        (
            {"annual_rate": "10", "payments_per_year": 2, "years": "1", "annual_growth_rate": "10.25"},
            "210.000000000000",
        ),
        ({"annual_rate": "6", "payments_per_year": 12, "years": "30", "mode": PV}, "16679.161439233529"),
    ],
)
def test_a_series_is_worth_what_paper_and_pencil_say(changes: dict[str, Any], expected: str) -> None:
    assert value(**changes) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"annual_rate": "5"}, "2000.000000000000"),
        ({"annual_rate": "5", "annual_growth_rate": "2"}, "3333.333333333333"),
        ({"annual_rate": "5", "timing": Timing.DUE}, "2100.000000000000"),
        ({"annual_rate": "12", "payments_per_year": 12}, "10000.000000000000"),
        ({"annual_rate": "5", "annual_growth_rate": "-5"}, "1000.000000000000"),
        ({"annual_rate": "-5", "annual_growth_rate": "-10"}, "2000.000000000000"),
    ],
)
def test_payments_that_never_end_are_worth_payment_over_spread(changes: dict[str, Any], expected: str) -> None:
    assert value(mode=PV, is_perpetual=True, years=None, **changes) == expected


def test_rates_and_periods_come_with_the_value() -> None:
    valuation = evaluate(terms(annual_rate="10", annual_growth_rate="3", payments_per_year=12, years="2.5"))

    assert valuation.periodic_rate == Decimal("0.008333333333")
    assert valuation.periodic_growth_rate == Decimal("0.002466269772")
    assert valuation.total_periods == Decimal("30.0000")


def test_no_growth_is_exactly_no_growth() -> None:
    valuation = evaluate(terms(annual_growth_rate="0", payments_per_year=365))

    assert str(valuation.periodic_growth_rate) == "0E-12"


def test_a_negative_rate_that_rounds_to_nothing_has_no_sign() -> None:
    valuation = evaluate(terms(annual_rate="-0.0000000000000001"))

    assert format(valuation.periodic_rate, "f") == "0.000000000000"


def test_halves_are_rounded_away_from_zero() -> None:
    half_of_the_last_place = "0.0000000000005"

    assert value(mode=PV, is_perpetual=True, annual_rate="100", payment=half_of_the_last_place) == "0.000000000001"


def test_a_value_is_rounded_once_and_not_twice() -> None:
    # A third of it is 1.0000000000005 less 3.3e-50: at 50 digits that would already be the half itself.
    payment = "3.0000000000014" + "9" * 36

    assert value(mode=PV, is_perpetual=True, annual_rate="300", payment=payment) == "1.000000000000"


@pytest.mark.parametrize(
    ("growth", "equal"),
    [("4.9999999999", False), ("4.99999999990000000001", True), ("5", True), ("5.00000000009999", True)],
)
def test_rates_less_than_a_trillionth_apart_count_as_equal(growth: str, equal: bool) -> None:
    valuation = evaluate(terms(annual_rate="5", annual_growth_rate=growth))

    assert valuation.rates_were_equal is equal
    assert (valuation.value == Decimal("330.75")) is equal


def test_growth_whose_root_is_exact_equals_the_rate_it_meets() -> None:
    monthly = Decimal("1.005") ** 12 * 100 - 100

    valuation = evaluate(terms(annual_rate="6", annual_growth_rate=str(monthly), payments_per_year=12))

    assert valuation.rates_were_equal


def test_periods_need_not_be_whole() -> None:
    half_a_year = evaluate(terms(annual_rate="21", years="0.5"))

    assert half_a_year.total_periods == Decimal("0.5000")
    assert half_a_year.value == Decimal("47.619047619048")  # 100 * (1.21 ** 0.5 - 1) / 0.21


@pytest.mark.parametrize(
    "changes",
    [
        {"annual_rate": "100000", "years": "10000", "payments_per_year": 365},
        {"payment": "1e37", "years": "100"},
        {"annual_rate": "1e30", "years": "9999.5"},
        {"mode": PV, "annual_rate": "-99.99", "years": "10000"},
        {"mode": PV, "annual_rate": "0.000000000000000001", "payment": "1e20", "is_perpetual": True},
    ],
)
def test_a_value_beyond_what_can_be_represented_is_unprocessable(changes: dict[str, Any]) -> None:
    with pytest.raises(Unprocessable) as refused:
        evaluate(terms(**changes))

    assert refused.value.message.startswith("value: ")


def test_the_largest_value_has_thirty_eight_digits_before_the_point() -> None:
    largest = "9" * 38

    assert value(payment=largest, years="1") == f"{largest}.000000000000"
    with pytest.raises(Unprocessable):
        value(payment=largest, years="1", timing=Timing.DUE)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"payment": "0"}, "payment"),
        ({"payment": "-1"}, "payment"),
        ({"annual_rate": "-100"}, "annualRate"),
        ({"annual_growth_rate": "-100"}, "annualGrowthRate"),
        ({"years": "0"}, "years"),
        ({"years": "-1"}, "years"),
        ({"years": "10000.0001"}, "years"),
        ({"years": None}, "years"),
        ({"payments_per_year": 0}, "paymentsPerYear"),
        ({"payments_per_year": 366}, "paymentsPerYear"),
        ({"is_perpetual": True}, "isPerpetual"),
        ({"is_perpetual": True, "mode": PV, "annual_growth_rate": "10"}, "isPerpetual"),
        ({"is_perpetual": True, "mode": PV, "annual_growth_rate": "11"}, "isPerpetual"),
        ({"is_perpetual": True, "mode": PV, "annual_growth_rate": "10.25", "payments_per_year": 2}, "isPerpetual"),
    ],
)
def test_terms_that_break_a_rule_are_refused_by_the_name_of_the_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        evaluate(terms(**changes))

    assert list(refused.value.field_errors) == [field]
    assert field in refused.value.message


def test_the_limits_themselves_are_allowed() -> None:
    assert value(years="10000", annual_rate="0") == "1000000.000000000000"
    assert value(years="1", annual_rate="0", payments_per_year=365) == "36500.000000000000"
    assert value(years="1", annual_rate="-99.999999") == "100.000000000000"


def test_all_broken_rules_are_told_at_once() -> None:
    with pytest.raises(Invalid) as refused:
        evaluate(terms(payment="0", years="0", payments_per_year=0))

    assert set(refused.value.field_errors) == {"payment", "years", "paymentsPerYear"}


def rates(least: str, most: str) -> st.SearchStrategy[Decimal]:
    return st.decimals(least, most, places=6, allow_nan=False)


@settings(max_examples=300, deadline=None)
@given(
    mode=st.sampled_from(Mode),
    timing=st.sampled_from(Timing),
    payment=rates("0.000001", "1000000000"),
    annual_rate=rates("-99.999999", "500"),
    growth=rates("-99.999999", "500"),
    years=st.integers(1, 12),
)
def test_yearly_payments_are_worth_the_exact_sum_of_the_cash_flows(
    mode: Mode, timing: Timing, payment: Decimal, annual_rate: Decimal, growth: Decimal, years: int
) -> None:
    asked = Terms(
        mode=mode,
        timing=timing,
        payment=payment,
        annual_rate=annual_rate,
        annual_growth_rate=growth,
        years=Decimal(years),
        payments_per_year=1,
    )

    assert worth(asked) == str(half_up(sum_of_flows(asked)))


def worth(asked: Terms) -> str:
    """The value, or that there is none: both ways of computing must agree on that, too."""
    try:
        return str(evaluate(asked).value)
    except Unprocessable:
        return "None"


def sum_of_flows(asked: Terms) -> Fraction:
    """Every payment carried to the instant of the value by itself, in exact rational numbers; yearly only."""
    interest = 1 + Fraction(asked.annual_rate) / 100
    growth = 1 + Fraction(asked.annual_growth_rate) / 100
    assert asked.years is not None
    count = int(asked.years)
    paid_at = [year if asked.timing is Timing.DUE else year + 1 for year in range(count)]
    target = count if asked.mode is FV else 0
    return sum(
        (Fraction(asked.payment) * growth**year * interest ** (target - at) for year, at in enumerate(paid_at)),
        Fraction(0),
    )


def half_up(exact: Fraction) -> Decimal | None:
    scaled = exact * 10**12
    units = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return Decimal(units).scaleb(-12, context=Context(prec=60)) if units < 10**50 else None


@settings(max_examples=60, deadline=None)
@given(
    mode=st.sampled_from(Mode),
    timing=st.sampled_from(Timing),
    annual_rate=rates("-99", "100"),
    growth=rates("-99", "100"),
    years=st.integers(1, 3),
    per_year=st.sampled_from([2, 4, 12, 52]),
)
def test_payments_within_the_year_are_worth_the_sum_of_the_cash_flows_at_120_digits(
    mode: Mode, timing: Timing, annual_rate: Decimal, growth: Decimal, years: int, per_year: int
) -> None:
    asked = Terms(
        mode=mode,
        timing=timing,
        payment=Decimal("123.45"),
        annual_rate=annual_rate,
        annual_growth_rate=growth,
        years=Decimal(years),
        payments_per_year=per_year,
    )

    valuation = evaluate(asked)

    if not valuation.rates_were_equal:
        assert valuation.value == sum_at_120_digits(asked)


def sum_at_120_digits(asked: Terms) -> Decimal:
    with localcontext(Context(prec=120, rounding=ROUND_HALF_UP)):
        interest = 1 + asked.annual_rate / 100 / asked.payments_per_year
        growth = newton_root(1 + asked.annual_growth_rate / 100, asked.payments_per_year)
        assert asked.years is not None
        count = int(asked.years) * asked.payments_per_year
        shift = 0 if asked.timing is Timing.DUE else 1
        target = count if asked.mode is FV else 0
        flows = (asked.payment * growth**k * interest ** (target - k - shift) for k in range(count))
        return sum(flows, Decimal(0)).quantize(Decimal("1e-12"))


def newton_root(base: Decimal, degree: int) -> Decimal:
    """``base ** (1 / degree)`` without logarithms."""
    guess = max(Decimal(1), base)
    for _ in range(400):
        better = guess - (guess**degree - base) / (degree * guess ** (degree - 1))
        if better == guess:
            break
        guess = better
    return guess


@settings(max_examples=200, deadline=None)
@given(
    terms=st.builds(
        Terms,
        mode=st.sampled_from(Mode),
        timing=st.sampled_from(Timing),
        payment=st.decimals("-1e37", "1e37", allow_nan=False),
        annual_rate=st.decimals("-150", "1e30", allow_nan=False),
        annual_growth_rate=st.decimals("-150", "1e30", allow_nan=False),
        years=st.none() | st.decimals("-1", "10001", allow_nan=False),
        payments_per_year=st.integers(-1, 400),
        is_perpetual=st.booleans(),
    )
)
def test_any_terms_have_a_value_or_a_reason(terms: Terms) -> None:
    with suppress(Invalid, Unprocessable):
        assert evaluate(terms).value >= 0
