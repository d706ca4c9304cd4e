"""A period of a subscription was paid: what waits for that is granted, once for the period."""

from __future__ import annotations

from datetime import datetime

from billing.entitlements.grants import Recorded
from billing.entitlements.plan_state import grant_paid_period
from billing.models import AssignmentProviderDetail
from billing.models.assignments import AssignmentStatus
from billing.subscriptions.moving import catch_up, lock
from mozaiks.kit.db import requires_transaction


@requires_transaction
def period_paid(*, provider: str, subscription_id: str, entity_id: int, now: datetime) -> Recorded:
    """
    Grant what the running period of a subscription waits for, if its purchase is there; doing it again changes nothing.

    Call it once the purchase is written, with its subscription and its period. A period nobody has heard of yet is granted
    when it begins, since the purchase is looked for then; one that is over is not granted any more.
    """
    of_subscription = AssignmentProviderDetail.objects.filter(
        provider=provider, provider_subscription_id=subscription_id, assignment__billable_entity_id=entity_id
    )
    if not of_subscription.filter(assignment__status=AssignmentStatus.CURRENT).exists():
        return Recorded()
    rows = lock(entity_id)
    catch_up(rows, now=now)
    current = rows.current
    if current is None or not of_subscription.filter(assignment_id=current.pk).exists():
        return Recorded()
    return grant_paid_period(current, now=now)
