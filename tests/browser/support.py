"""What is there when a story begins."""

from __future__ import annotations

from billing.models import BillableEntity, Plan
from billing.models.assignments import AssignmentSource
from billing.subscriptions.assignments import assign
from mozaiks.kit import clock
from tests.factories import BillableEntityFactory, PlanTemplateFactory
from tests.gadgets.factories import PlacesFactory, PressesFactory
from tests.gadgets.services import press


def gold() -> Plan:
    """A plan that grants ten presses a month; there are places, too, that it does not grant."""
    PlacesFactory(name="Places")
    template = PlanTemplateFactory(plan__code="gold", plan__name="Gold", definition=PressesFactory(), amount=10)
    plan: Plan = template.plan
    return plan


def acme(plan: Plan) -> BillableEntity:
    """A workspace on ``plan`` that has just used three presses."""
    now = clock.now()
    entity: BillableEntity = BillableEntityFactory(workspace__name="Acme", workspace__slug="acme")
    assign(entity, plan, source=AssignmentSource.MANUAL, now=now)
    press(entity, "three at once", amount=3, now=now)
    return entity
