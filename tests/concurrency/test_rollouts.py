"""Two runners take one rollout through the same subscribers: everybody is changed once and counted once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection

from billing.catalog.publishing import publish_plan
from billing.entitlements.balances import verify
from billing.entitlements.manual import ByHand
from billing.models import BillingEvent, Grant, Rollout
from billing.models.assignments import AssignmentSource
from billing.subscriptions import rollouts
from billing.subscriptions.assignments import assign
from tests import NOON
from tests.factories import BillableEntityFactory, PlanTemplateFactory
from tests.gadgets.factories import PressesFactory

pytestmark = [pytest.mark.server, pytest.mark.serial, pytest.mark.django_db(transaction=True)]

TODAY = NOON + timedelta(days=1)
SUBSCRIBERS = 12


def test_two_runners_change_and_count_everybody_once() -> None:
    row = PlanTemplateFactory(definition=PressesFactory(), amount=10)
    for _ in range(SUBSCRIBERS):
        assign(BillableEntityFactory(), row.plan, source=AssignmentSource.MANUAL, now=NOON)
    publish_plan({"code": row.plan.code}, [{"code": row.definition.code, "valueJson": {"amount": 20}}], now=TODAY)
    looked = rollouts.advance(rollouts.begin(row.plan, actor="dora", now=TODAY), now=TODAY)
    rollout = rollouts.confirm(looked, by=ByHand(actor="dora", reason="More."), now=TODAY)

    def run(_: int) -> None:
        try:
            mine = Rollout.objects.get(pk=rollout.pk)
            while mine.status == "applying":
                mine = rollouts.advance(mine, now=TODAY, most=3)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(4)))

    rollout.refresh_from_db()
    assert (rollout.status, rollout.seen, rollout.changed, rollout.gained) == ("done", *[SUBSCRIBERS] * 3)
    assert Grant.objects.filter(amount=20).count() == SUBSCRIBERS
    assert BillingEvent.objects.filter(event_name="plan.rolled_out").count() == SUBSCRIBERS
    assert verify() == []
