"""Each operation that changes what a client can see is announced once, with its codes and its source; nothing else is."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import transaction

from billing.engine.types import AdjustmentReason, GrantKind, SourceType
from billing.entitlements import holds
from billing.entitlements.adjusting import Take, adjust
from billing.entitlements.announcements import ChangeSource, announce
from billing.entitlements.balances import recompute
from billing.entitlements.boundaries import refresh_due_limitations_for_subject
from billing.entitlements.corrections import correct
from billing.entitlements.manual import ByHand, end_grant, grant_manually
from billing.entitlements.reversals import reverse
from billing.errors import LimitExceeded
from billing.models import BillableEntity, Consumption, Grant
from billing.models.assignments import AssignmentSource
from billing.models.entities import EntityType
from billing.subscriptions.assignments import assign
from billing.subscriptions.scheduling import schedule
from mozaiks.kit.db import run_in_transaction
from tests import NOON
from tests.entitlements.hearing import heard, told
from tests.entitlements.working import let_pass
from tests.factories import BillableEntityFactory, GrantFactory, PlanFactory, PlanTemplateFactory
from tests.gadgets.factories import CreditsFactory, PlacesFactory, PressesFactory
from tests.gadgets.limits import CHARGE, CREDITS, PLACES, PRESSES, PRINT
from tests.gadgets.services import charge, leave_places, press, take_place

DAY = timedelta(days=1)
ANNA = ByHand(actor="anna", reason="It failed.")


@pytest.fixture
def entity() -> BillableEntity:
    """Ten presses a month."""
    entity: BillableEntity = GrantFactory(definition=PressesFactory(), amount=10).subject
    return entity


# --- uses -------------------------------------------------------------------------------------------------------


def test_a_use_is_announced_with_everything_a_client_may_know_and_no_amount(entity: BillableEntity) -> None:
    with heard() as events:
        press(entity, "one")

    (event,) = events
    workspace = entity.workspace
    assert workspace is not None
    assert dict(event.payload) == {
        "workspaceId": workspace.pk,
        "workspaceSlug": workspace.slug,
        "changedCodes": [PRESSES],
        "changeSource": "consumption",
        "changedAt": "2026-02-21T12:00:00.000Z",
    }
    assert (event.entity_type, event.entity_id, event.workspace_slug) == ("billable_entity", entity.pk, workspace.slug)


def test_a_use_of_two_limits_is_one_event_with_both_codes_in_order(entity: BillableEntity) -> None:
    GrantFactory(subject=entity, definition=CreditsFactory())

    with heard() as events:
        press(entity, "both", capability=PRINT)

    assert told(events) == [("consumption", sorted([PRESSES, CREDITS]))]


def test_a_refusal_is_announced_to_nobody(entity: BillableEntity) -> None:
    with heard() as events, pytest.raises(LimitExceeded):
        press(entity, "too many", amount=11)

    assert events == []


def test_a_repeat_of_a_key_is_announced_to_nobody(entity: BillableEntity) -> None:
    press(entity, "one")

    with heard() as events:
        press(entity, "one")

    assert events == []


def test_a_use_that_is_rolled_back_by_its_caller_is_announced_to_nobody(entity: BillableEntity) -> None:
    with heard() as events, suppress(ZeroDivisionError), transaction.atomic():
        press(entity, "one")
        raise ZeroDivisionError

    assert events == []


def test_a_savepoint_that_is_rolled_back_is_forgotten_and_the_rest_is_told(entity: BillableEntity) -> None:
    GrantFactory(subject=entity, definition=CreditsFactory())

    with heard() as events, transaction.atomic():
        press(entity, "one")
        with suppress(ZeroDivisionError), transaction.atomic():
            charge(entity, 1)
            raise ZeroDivisionError

    assert told(events) == [("consumption", [PRESSES])]


def test_several_uses_in_one_transaction_are_one_event(entity: BillableEntity) -> None:
    with heard() as events, transaction.atomic():
        for key in ("one", "two", "three"):
            press(entity, key)

    assert told(events) == [("consumption", [PRESSES])]


def test_a_reversal_is_a_change_of_what_was_used(entity: BillableEntity) -> None:
    press(entity, "one")

    with heard() as events:
        reverse(entity, Consumption.objects.get().pk, now=NOON)

    assert told(events) == [("consumption", [PRESSES])]


def test_a_capacity_that_is_taken_and_given_back_is_announced_each_time() -> None:
    entity = GrantFactory(definition=PlacesFactory(), amount=2).subject

    with heard() as events:
        take_place(entity, "window")
    with heard() as later:
        leave_places(entity, "window")

    assert told(events) == told(later) == [("consumption", [PLACES])]


def test_a_capacity_that_is_counted_again_and_found_right_is_no_news() -> None:
    entity = GrantFactory(definition=PlacesFactory(), amount=2).subject
    take_place(entity, "window")

    with heard() as events:
        leave_places(entity, "aisle")

    assert events == []


def test_every_step_of_a_hold_is_a_change() -> None:
    entity = GrantFactory(definition=CreditsFactory(), amount=10).subject

    with heard() as events:
        held = holds.hold(entity, CHARGE, amount=4, now=NOON)
    with heard() as captured:
        holds.capture(entity, held.id, amount=2, final=False, now=NOON)
    with heard() as released:
        holds.release(entity, held.id, now=NOON)

    assert told(events) == told(captured) == told(released) == [("consumption", [CREDITS])]


# --- grants -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "source"),
    [
        (SourceType.BILLING_PURCHASE, "purchase_grant"),
        (SourceType.BILLING_EVENT, "purchase_grant"),
        (SourceType.PLAN_ASSIGNMENT, "plan_grant"),
        (SourceType.SYSTEM_WORKER, "boundary_recompute"),
        (SourceType.MANUAL_CONSOLE, "manual_refresh"),
    ],
)
def test_a_grant_says_where_it_comes_from(origin: SourceType, source: str) -> None:
    with heard() as events:
        GrantFactory(definition=CreditsFactory(), source_type=origin)

    assert told(events) == [(source, [CREDITS])]


def test_what_is_taken_back_of_a_purchase_is_announced_like_the_purchase() -> None:
    grant = GrantFactory(definition=CreditsFactory(), amount=10, source_type=SourceType.BILLING_PURCHASE)
    take = Take(grant_id=grant.pk, target=4, reason=AdjustmentReason.REFUNDED, dedupe_key="t1")

    with heard() as events:
        run_in_transaction(lambda: adjust(grant.subject_id, takes=[take], now=NOON))

    assert told(events) == [("purchase_grant", [CREDITS])]


def test_a_grant_that_is_known_already_is_no_news(entity: BillableEntity) -> None:
    def give() -> None:
        grant_manually(entity, PRESSES, amount=5, by=ANNA, now=NOON, operation_key="k1")

    with heard() as events:
        give()
    with heard() as again:
        give()

    assert told(events) == [("manual_refresh", [PRESSES])]
    assert again == []


def test_an_operators_ending_and_corrections_are_manual(entity: BillableEntity) -> None:
    with heard() as corrected:
        correct(entity, PRESSES, amount=-3, by=ANNA, now=NOON, operation_key="c1")
    with heard() as given:
        correct(entity, PRESSES, amount=3, by=ANNA, now=NOON, operation_key="c2")
    with heard() as ended:
        end_grant(Grant.objects.earliest("pk"), by=ANNA, now=NOON)

    assert told(corrected) == told(given) == told(ended) == [("manual_refresh", [PRESSES])]


def test_a_rebuild_is_announced_where_it_changes_a_number(entity: BillableEntity) -> None:
    with heard() as nothing:
        recompute(entity, now=NOON)

    assert nothing == []


# --- plans ------------------------------------------------------------------------------------------------------


def test_an_assignment_and_a_change_of_plan_are_one_event_each() -> None:
    entity, presses, credits_ = BillableEntityFactory(), PressesFactory(), CreditsFactory()
    small, large = PlanTemplateFactory(definition=presses).plan, PlanTemplateFactory(definition=presses, amount=99).plan
    PlanTemplateFactory(plan=large, definition=PlacesFactory(), amount=1)
    assert credits_

    with heard() as events:
        assign(entity, small, source=AssignmentSource.INTERNAL, now=NOON)
    with heard() as changed:
        assign(entity, large, source=AssignmentSource.INTERNAL, now=NOON + DAY)

    assert told(events) == [("plan_grant", [PRESSES])]
    assert told(changed) == [("plan_grant", [PLACES, PRESSES])]


def test_a_change_between_plans_that_grant_nothing_is_still_a_change_of_plan() -> None:
    entity = BillableEntityFactory()
    assign(entity, PlanFactory(), source=AssignmentSource.INTERNAL, now=NOON)

    with heard() as events:
        assign(entity, PlanFactory(), source=AssignmentSource.INTERNAL, now=NOON + DAY)

    assert told(events) == [("plan_grant", [])]


def test_a_change_that_is_scheduled_is_told_and_told_again_when_it_comes() -> None:
    entity, presses = BillableEntityFactory(), PressesFactory()
    plans = [PlanTemplateFactory(definition=presses, amount=amount).plan for amount in (10, 20)]
    assign(entity, plans[0], source=AssignmentSource.INTERNAL, now=NOON)

    with heard() as planned:
        schedule(entity, plans[1], source=AssignmentSource.INTERNAL, now=NOON, starts_at=NOON + DAY)
    with heard() as used:
        press(entity, "one", now=NOON + DAY)

    assert told(planned) == [("plan_grant", [PRESSES])]
    assert told(used)[0] == ("plan_grant", [PRESSES])


# --- time -------------------------------------------------------------------------------------------------------


def test_a_batch_of_the_worker_is_one_event_for_each_subject() -> None:
    entity = GrantFactory(definition=CreditsFactory(), expires_at=NOON + DAY).subject
    GrantFactory(subject=entity, definition=PressesFactory(), expires_at=NOON + DAY)
    other = GrantFactory(definition=CreditsFactory(), expires_at=NOON + DAY).subject

    with heard() as events:
        let_pass(NOON + DAY)

    assert sorted((event.entity_id, *told([event])[0]) for event in events) == [
        (entity.pk, "boundary_recompute", sorted([CREDITS, PRESSES])),
        (other.pk, "boundary_recompute", [CREDITS]),
    ]


def test_a_boundary_nobody_can_see_is_no_news() -> None:
    grant = GrantFactory(definition=CreditsFactory(), amount=10, expires_at=NOON + DAY)
    charge(grant.subject, 10)
    GrantFactory(subject=grant.subject, definition=grant.definition, effective_at=NOON + DAY, kind=GrantKind.PROMO)
    GrantFactory(subject=grant.subject, definition=grant.definition, amount=1, expires_at=NOON + 2 * DAY)

    with heard() as first:
        let_pass(NOON + DAY)
    with heard() as nothing:
        let_pass(NOON + DAY)

    assert len(first) == 1
    assert nothing == []


def test_a_refresh_that_brings_something_up_to_date_is_manual() -> None:
    entity = GrantFactory(definition=CreditsFactory(), expires_at=NOON + DAY).subject

    with heard() as events:
        refresh_due_limitations_for_subject(entity, now=NOON + DAY)
    with heard() as nothing:
        refresh_due_limitations_for_subject(entity, now=NOON + DAY)

    assert told(events) == [("manual_refresh", [CREDITS])]
    assert nothing == []


# --- merging ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strongest", range(len(ChangeSource)))
def test_of_several_sources_the_strongest_is_told(entity: BillableEntity, strongest: int) -> None:
    sources = list(ChangeSource)[strongest:]

    with heard() as events, transaction.atomic():
        for number, source in enumerate(reversed(sources)):
            announce(entity.pk, [f"b{number}", "a"], source, now=NOON)

    codes = sorted({"a", *(f"b{number}" for number in range(len(sources)))})
    assert told(events) == [(sources[0].value, codes)]


def test_who_has_no_workspace_is_not_announced() -> None:
    entity = BillableEntityFactory(entity_type=EntityType.EXTERNAL, workspace=None, entity_ref="somebody")

    with heard() as events:
        GrantFactory(subject=entity, definition=CreditsFactory())

    assert events == []
