"""A client process that is killed loses nothing that was acknowledged and leaves nothing half done."""

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from billing.entitlements.balances import verify
from billing.models import Consumption, Grant, Operation
from tests.concurrency import tasks
from tests.concurrency.crowd import all_at_once, start
from tests.entitlements.looking import balance_of
from tests.factories import GrantFactory
from tests.gadgets.models import Press

pytestmark = [pytest.mark.serial, pytest.mark.django_db(transaction=True)]

ROUNDS = int(os.environ.get("MOZAIKS_KILLS", "4"))
CLIENTS = 4


def kill_some_time_later(grant: Grant, acknowledgements: Path, seed: int) -> None:
    """Let clients press for ever, and kill each at a random moment."""
    moments = random.Random(seed)
    clients = start(
        tasks.press_for_ever, [(grant.subject_id, f"{seed}-{name}", str(acknowledgements)) for name in range(CLIENTS)]
    )
    time.sleep(0.3)
    for client in clients:
        time.sleep(moments.uniform(0.01, 0.15))
        assert client.process.pid is not None
        os.kill(client.process.pid, signal.SIGKILL)
    for client in clients:
        client.end()


def noted(acknowledgements: Path, kind: str) -> set[str]:
    lines = acknowledgements.read_text().splitlines()
    return {line.split()[1] for line in lines if line.startswith(f"{kind} ") and line.count(" ") == 1}


def presses() -> Counter[str]:
    return Counter(Press.objects.values_list("key", flat=True))


def test_what_was_acknowledged_is_there_and_nothing_is_there_twice(tmp_path: Path) -> None:
    seed = int(os.environ.get("MOZAIKS_SEED") or random.SystemRandom().randrange(10**9))
    print(f"MOZAIKS_SEED={seed}")
    grant: Grant = GrantFactory(amount=1_000_000)
    acknowledgements = tmp_path / "acknowledgements"

    for number in range(ROUNDS):
        kill_some_time_later(grant, acknowledgements, seed + number)

    done, tried, made = noted(acknowledgements, "done"), noted(acknowledgements, "tried"), presses()
    assert len(done) > 10 * ROUNDS
    assert done <= set(made) <= tried
    assert set(made.values()) == {1}
    assert_one_of_each(grant)


def test_a_client_that_asks_again_after_its_end_is_served_once(tmp_path: Path) -> None:
    grant: Grant = GrantFactory(amount=1_000_000)
    acknowledgements = tmp_path / "acknowledgements"
    kill_some_time_later(grant, acknowledgements, 1)
    unanswered = sorted(noted(acknowledgements, "tried") - noted(acknowledgements, "done"))
    before = presses()

    (outcomes,) = all_at_once(tasks.race, [("metered", grant.subject_id, unanswered)])

    assert {outcome.key: outcome.kind for outcome in outcomes} == {
        key: "replayed" if key in before else "done" for key in unanswered
    }
    assert presses() == before + Counter(key for key in unanswered if key not in before)
    assert_one_of_each(grant)


def assert_one_of_each(grant: Grant) -> None:
    """A press, a debit and a stored answer for each, and the balance is their sum."""
    number = Press.objects.count()
    assert Consumption.objects.count() == Operation.objects.count() == number
    assert balance_of(grant.subject, grant.definition).consumed_amount == number
    assert verify() == []
