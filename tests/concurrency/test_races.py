"""No overshoot, ever: with a limit of L and any number of rivals exactly L units are admitted."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from django.db import connection

from billing.entitlements.balances import verify
from billing.models import Balance, Definition, Grant, Hold, OpenLot
from tests import NOON
from tests.concurrency import tasks
from tests.concurrency.crowd import all_at_once
from tests.concurrency.tasks import Outcome
from tests.entitlements.looking import balance_of, traces, used
from tests.factories import GrantFactory
from tests.gadgets.factories import CreditsFactory, PlacesFactory, PressesFactory, PulsesFactory
from tests.gadgets.models import Place, Press

pytestmark = [pytest.mark.serial, pytest.mark.django_db(transaction=True)]

ON_SERVER = connection.vendor == "mysql"
PROCESSES, LIMIT, TRIES = (16, 100, 200) if ON_SERVER else (8, 20, 40)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
DEFINITIONS = {
    "metered": PressesFactory,
    "balance": CreditsFactory,
    "hold": CreditsFactory,
    "rolling": PulsesFactory,
    "capacity": PlacesFactory,
}
KINDS = list(DEFINITIONS)


def limited(what: str) -> Grant:
    definition: Definition = DEFINITIONS[what]()
    grant: Grant = GrantFactory(definition=definition, of_plan=what in {"metered", "rolling"}, amount=LIMIT)
    return grant


def dealt(keys: Sequence[str]) -> list[list[str]]:
    """The keys, dealt to the processes in turn."""
    return [list(keys[index::PROCESSES]) for index in range(PROCESSES)]


def run(what: str, grant: Grant, keys: Sequence[str], now: datetime = NOON) -> list[Outcome]:
    jobs = [(what, grant.subject_id, hand, now) for hand in dealt(keys)]
    return [outcome for outcomes in all_at_once(tasks.race, jobs) for outcome in outcomes]


def admitted(what: str, grant: Grant) -> int:
    """What was let through, by the rows of the domain and not by what anybody says."""
    if what == "capacity":
        return Place.objects.filter(entity=grant.subject).count()
    if what == "hold":
        return Hold.objects.filter(subject=grant.subject).count()
    return Press.objects.filter(entity=grant.subject).count()


def assert_exact(what: str, grant: Grant) -> None:
    row = balance_of(grant.subject, grant.definition)
    assert admitted(what, grant) == LIMIT
    assert row.effective_amount == 0
    if what == "hold":
        assert row.held_amount == LIMIT
    else:
        assert row.consumed_amount == LIMIT
    if what in {"metered", "balance", "rolling"}:
        assert used(grant.subject) == LIMIT


@pytest.mark.parametrize("what", KINDS)
def test_exactly_as_many_as_the_limit_are_admitted(what: str) -> None:
    grant = limited(what)

    outcomes = run(what, grant, [f"key-{number}" for number in range(TRIES)])

    assert Counter(outcome.kind for outcome in outcomes) == {"done": LIMIT, "refused": TRIES - LIMIT}
    assert_exact(what, grant)


@pytest.mark.parametrize("what", KINDS)
def test_repeated_keys_are_admitted_once_and_answered_alike(what: str) -> None:
    grant = limited(what)
    distinct = [f"key-{number}" for number in range(LIMIT + LIMIT // 4)]
    # Neighbours in the deal hold the same key at the same time.
    keys = [key for key in distinct for _ in range(2)]

    outcomes = run(what, grant, keys)

    assert_exact(what, grant)
    for key in distinct:
        mine = [outcome for outcome in outcomes if outcome.key == key]
        kinds = Counter(outcome.kind for outcome in mine)
        assert kinds in ({"done": 1, "replayed": 1}, {"refused": 2}), (key, kinds)
        assert len({str(outcome.answer) for outcome in mine}) == 1


@pytest.mark.parametrize("what", ["metered", "balance", "hold"])
def test_a_balance_that_does_not_exist_yet_is_made_by_one_of_them(what: str) -> None:
    grant = limited(what)
    Balance.objects.all().delete()
    OpenLot.objects.all().delete()

    run(what, grant, [f"key-{number}" for number in range(TRIES)])

    assert_exact(what, grant)
    assert Balance.objects.filter(subject=grant.subject).count() == 1


def test_a_window_that_nobody_has_opened_yet_is_opened_by_one_of_them() -> None:
    grant = limited("metered")

    run("metered", grant, [f"key-{number}" for number in range(TRIES)], MARCH)

    assert_exact("metered", grant)
    windows = Balance.objects.filter(subject=grant.subject).order_by("window_start_at")
    assert [(row.window_start_at.month, row.closed_at is None) for row in windows] == [(2, False), (3, True)]


def test_the_same_key_eight_times_at_once_is_one_action_with_eight_equal_answers() -> None:
    grant = limited("metered")

    rivals = all_at_once(tasks.race, [("metered", grant.subject_id, ["same"]) for _ in range(8)])

    outcomes = [outcome for outcomes in rivals for outcome in outcomes]
    assert Counter(outcome.kind for outcome in outcomes) == {"done": 1, "replayed": 7}
    assert len({str(outcome.answer) for outcome in outcomes}) == 1
    assert traces(grant.subject) | {"allocations": 0} == {
        "consumptions": 1,
        "operations": 1,
        "presses": 1,
        "places": 0,
        "allocations": 0,
    }


def test_the_last_allowed_use_is_replayed_not_refused() -> None:
    grant: Grant = GrantFactory(amount=1)

    rivals = all_at_once(tasks.race, [("metered", grant.subject_id, ["last"]) for _ in range(8)])

    assert Counter(outcome.kind for outcomes in rivals for outcome in outcomes) == {"done": 1, "replayed": 7}


@pytest.mark.server
@pytest.mark.broken_on_purpose
@pytest.mark.parametrize("what", ["metered", "balance"])
def test_an_engine_that_forgot_to_lock_is_caught(what: str) -> None:
    grant = limited(what)
    keys = [f"key-{number}" for number in range(TRIES)]

    all_at_once(tasks.race_without_lock, [(what, grant.subject_id, hand) for hand in dealt(keys)])

    assert admitted(what, grant) > LIMIT
    assert verify()


@pytest.mark.server
@pytest.mark.broken_on_purpose
def test_a_count_taken_before_the_lock_is_caught() -> None:
    grant = limited("capacity")
    keys = [f"key-{number}" for number in range(TRIES)]

    all_at_once(tasks.race_with_stale_count, [(grant.subject_id, hand) for hand in dealt(keys)])

    assert admitted("capacity", grant) > LIMIT
