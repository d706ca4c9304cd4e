"""What annuity shows in the demo: somebody who has been comparing savings plans for a while."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final

from annuity import services
from annuity.formula import Mode, Terms, Timing
from annuity.models import AnnuityCalculation
from billing import limits
from mozaiks.workspaces.models import Workspace

CALCULATIONS: Final = 36
NO_COMMAND: Final = limits.Command(operation_key=None, fingerprint="", request_id="")


def work(workspace: Workspace, *, since: datetime, now: datetime) -> None:
    """
    Calculate from ``since`` to ``now``, at equal distances.

    :raises LimitExceeded: when the workspace has used up a month.
    """
    step = (now - since) / CALCULATIONS
    for number in range(CALCULATIONS):
        services.calculate(
            _terms(number),
            workspace_id=workspace.pk,
            user_id=None,
            now=since + step * number,
            command=NO_COMMAND,
            present=_nothing,
        )


def _terms(number: int) -> Terms:
    """A little more every time."""
    return Terms(
        mode=Mode.FUTURE_VALUE,
        timing=Timing.ORDINARY,
        payment=Decimal(100 + 10 * number),
        annual_rate=Decimal("3.5"),
        payments_per_year=12,
        years=Decimal(10 + number % 5),
    )


def _nothing(calculation: AnnuityCalculation) -> None:
    """Nobody waits for an answer."""
