"""What annuity limits: each successful calculation uses one of the month's."""

from typing import Final

from billing import limits

CALCULATIONS_MONTHLY: Final = "annuity.calculations.monthly"
CALCULATE: Final = "annuity.calculate"


def declare_limits() -> None:
    """Make the capability known; called once, when Django is ready."""
    limits.declare(capability=CALCULATE, limitation=CALCULATIONS_MONTHLY, amount=1, reason="annuity.calculate")
