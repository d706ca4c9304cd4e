"""
``python -m tests.benchmarks.publishing``: what telling browsers of a change costs the request that makes it.

Measured on MariaDB with a Redis that takes the events. *By itself* times what a consume does for it: noting what the client saw,
finding what changed, handing it over after the commit. *In turn* is the same consume with and without being told, where
the thread that carries the events has its share of the interpreter too.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("TEST_DATABASE_URL", "mysql://root@127.0.0.1:3306/mozaiks")
os.environ.setdefault("TEST_REDIS_URL", "redis://127.0.0.1:6379/0")
os.environ["TEST_RUN"] = f"bench_{os.getpid()}"
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

import django

django.setup()

from unittest import mock  # noqa: E402

from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction  # noqa: E402

from billing.entitlements import rows, writing  # noqa: E402
from billing.entitlements.allowances import Allowance, lock_one  # noqa: E402
from billing.entitlements.announcements import ChangeSource, announce_changes  # noqa: E402
from billing.entitlements.resolvers import definition_by_id  # noqa: E402
from billing.models import Grant  # noqa: E402
from realtime import publisher  # noqa: E402
from tests import NOON  # noqa: E402
from tests.benchmarks import worlds  # noqa: E402
from tests.benchmarks.cases import consume  # noqa: E402
from tests.benchmarks.measuring import Operation, in_turn  # noqa: E402

ROUNDS = 2000


def telling(grant: Grant) -> Operation:
    """Everything a consume does to be announced, and nothing else of it."""
    with transaction.atomic():
        allowance: Allowance = lock_one(grant.subject_id, definition_by_id(grant.definition_id), now=NOON)

    here = connections[DEFAULT_DB_ALIAS]

    def run(number: int) -> None:
        allowance.before = rows.shown(allowance.row)
        allowance.row.consumed_amount = number + 1_000_000
        here.in_atomic_block = True  # as between BEGIN and COMMIT, without their statements
        announce_changes([allowance], ChangeSource.CONSUMPTION)
        here.in_atomic_block = False
        hooks, here.run_on_commit = here.run_on_commit, []
        for hook in hooks:
            hook[1]()

    return run


def _nobody(*_: object) -> None:
    """Tells nobody: a mock would cost more than what is measured."""


def untold(operation: Operation) -> Operation:
    """The same operation of which nobody is told."""

    def run(number: int) -> object:
        with mock.patch.object(writing, "announce_changes", _nobody):
            return operation(number)

    return run


def patched(operation: Operation) -> Operation:
    """The price of the patch itself, so that both sides pay it."""

    def run(number: int) -> object:
        with mock.patch.object(writing, "announce_changes", announce_changes):
            return operation(number)

    return run


def main() -> int:
    before = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        use = consume(worlds.with_one_grant())
        by_itself = in_turn({"consume": use, "telling": telling(worlds.with_one_grant())}, rounds=ROUNDS)
        both = in_turn({"told": patched(use), "untold": untold(use)}, rounds=ROUNDS)
        carried = publisher.flush(patience_seconds=30)
    finally:
        connection.creation.destroy_test_db(before, verbosity=0)
    whole, part = by_itself["consume"].wall_us, by_itself["telling"].wall_us
    told, alone = both["told"].wall_us, both["untold"].wall_us
    whole_cpu, part_cpu = by_itself["consume"].cpu_us, by_itself["telling"].cpu_us
    print(f"by itself: {part:.1f} µs of a consume of {whole:.0f} µs: {part / whole:.1%} (must 10 %, aim 3 %)")
    print(f"processor: {part_cpu:.1f} µs of {whole_cpu:.0f} µs: {part_cpu / whole_cpu:.1%}")
    print(f"in turn:   {told:.0f} µs told, {alone:.0f} µs untold: {told / alone - 1:+.1%}")
    print(f"everything was carried: {carried}")
    return int(part / whole > 0.1)


if __name__ == "__main__":
    sys.exit(main())
