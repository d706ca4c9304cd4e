"""The history row and the debit: both or none."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from annuity import services
from annuity.formula import Mode, Terms, Timing
from annuity.models import AnnuityCalculation
from annuity.tests.support import allow, debits, used, workspace
from billing import limits
from billing.errors import LimitExceeded
from mozaiks.kit.errors import Invalid
from mozaiks.workspaces.models import Workspace
from tests import NOON

pytestmark = pytest.mark.django_db

TERMS = Terms(
    mode=Mode.FUTURE_VALUE,
    timing=Timing.ORDINARY,
    payment=Decimal(100),
    annual_rate=Decimal(10),
    years=Decimal(3),
    payments_per_year=1,
)


@pytest.fixture
def acme() -> Workspace:
    return workspace("acme")


def calculate(of: Workspace, terms: Terms = TERMS, *, present: Any = str) -> limits.Execution[AnnuityCalculation]:
    return services.calculate(
        terms,
        workspace_id=of.pk,
        user_id=of.memberships.get().user_id,
        now=NOON,
        command=limits.Command(operation_key=None, fingerprint="", request_id=""),
        present=present,
    )


def test_a_calculation_leaves_a_row_and_a_debit(acme: Workspace) -> None:
    allow(acme, 5)

    calculate(acme)

    row = AnnuityCalculation.objects.get()
    assert (row.workspace_id, row.created_at, row.result["value"]) == (acme.pk, NOON, "331.000000000000")
    assert debits(acme) == [1]
    assert used(acme) == 1


def test_a_refused_calculation_leaves_nothing(acme: Workspace) -> None:
    allow(acme, 1)
    calculate(acme)

    with pytest.raises(LimitExceeded):
        calculate(acme)

    assert AnnuityCalculation.objects.count() == 1
    assert debits(acme) == [1]


def test_wrong_terms_are_refused_before_anything_is_asked(acme: Workspace, django_assert_num_queries: Any) -> None:
    wrong = Terms(
        mode=Mode.FUTURE_VALUE, timing=Timing.DUE, payment=Decimal(0), annual_rate=Decimal(1), payments_per_year=1
    )
    owner = acme.memberships.get().user_id

    with django_assert_num_queries(0), pytest.raises(Invalid):
        services.calculate(
            wrong,
            workspace_id=acme.pk,
            user_id=owner,
            now=NOON,
            command=limits.Command(operation_key=None, fingerprint="", request_id=""),
            present=str,
        )


def test_a_row_that_cannot_be_presented_is_not_kept(acme: Workspace) -> None:
    allow(acme, 5)

    def fail(row: AnnuityCalculation) -> str:
        raise RuntimeError("no words for it")

    with pytest.raises(RuntimeError):
        calculate(acme, present=fail)

    assert not AnnuityCalculation.objects.exists()
    assert debits(acme) == []
