"""The one thing annuity does: value a series of payments, keep it, and use one calculation of the month for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from annuity.decimals import (
    PAYMENT_PLACES,
    PERCENT_PLACES,
    PERIOD_PLACES,
    RATE_PLACES,
    VALUE_PLACES,
    YEAR_PLACES,
    fixed,
)
from annuity.formula import Terms, Valuation, evaluate
from annuity.limits import CALCULATE
from annuity.models import AnnuityCalculation
from annuity.notes import assumptions, warnings
from billing import limits


def calculate(
    terms: Terms,
    *,
    workspace_id: int,
    user_id: int | None,
    now: datetime,
    command: limits.Command,
    present: Callable[[AnnuityCalculation], Any],
) -> limits.Execution[AnnuityCalculation]:
    """
    Value ``terms`` and record it; the history row and the debit are one transaction.

    The arithmetic comes first, outside of it: what cannot be valued uses nothing. ``present`` makes the answer
    that is stored and given again when ``command`` is repeated.

    :raises Invalid: for terms that break a rule.
    :raises Unprocessable: when the value cannot be represented.
    :raises LimitExceeded: when the month's calculations are used up.
    """
    valuation = evaluate(terms)

    def record() -> AnnuityCalculation:
        return AnnuityCalculation.objects.create(
            workspace_id=workspace_id,
            created_by_id=user_id,
            inputs=_inputs(terms),
            result=_result(terms, valuation),
            created_at=now,
        )

    return limits.execute_with_entitlement_consumption(
        limits.entity_for_workspace(workspace_id),
        CALCULATE,
        action=record,
        now=now,
        operation_key=command.operation_key,
        fingerprint=command.fingerprint,
        request_id=command.request_id,
        encode=present,
        status_code=200,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """One page of the history, newest first."""

    entries: list[AnnuityCalculation]
    page: int
    page_size: int
    total: int

    @property
    def total_pages(self) -> int:
        return -(-self.total // self.page_size)


def history(workspace_id: int, *, page: int, page_size: int) -> Page:
    """Page ``page`` (from 1) of a workspace's calculations; empty beyond the last."""
    calculations = AnnuityCalculation.objects.in_workspace(workspace_id)
    start = (page - 1) * page_size
    return Page(
        entries=list(calculations.newest_first()[start : start + page_size]),
        page=page,
        page_size=page_size,
        total=calculations.count(),
    )


def _inputs(terms: Terms) -> dict[str, Any]:
    return {
        "mode": terms.mode.value,
        "timing": terms.timing.value,
        "payment": fixed(terms.payment, PAYMENT_PLACES),
        "annual_rate": fixed(terms.annual_rate, PERCENT_PLACES),
        "annual_growth_rate": fixed(terms.annual_growth_rate, PERCENT_PLACES),
        "years": None if terms.is_perpetual or terms.years is None else fixed(terms.years, YEAR_PLACES),
        "payments_per_year": terms.payments_per_year,
        "is_perpetual": terms.is_perpetual,
    }


def _result(terms: Terms, valuation: Valuation) -> dict[str, Any]:
    periods = valuation.total_periods
    return {
        "periodic_rate": fixed(valuation.periodic_rate, RATE_PLACES),
        "periodic_growth_rate": fixed(valuation.periodic_growth_rate, RATE_PLACES),
        "total_periods": None if periods is None else fixed(periods, PERIOD_PLACES),
        "value": fixed(valuation.value, VALUE_PLACES),
        "warnings": warnings(terms, valuation),
        "assumptions": assumptions(terms),
    }
