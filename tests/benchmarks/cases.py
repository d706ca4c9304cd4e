"""The rows of the table: what is measured beside what, what it must be and what is aimed at."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from django.db import connection

from billing.errors import LimitExceeded
from billing.limits import execute_with_entitlement_consumption
from billing.models import Grant
from mozaiks.kit.db import db_time
from tests import NOON
from tests.benchmarks import hot, worlds
from tests.benchmarks.buying import Floor as BuyingFloor
from tests.benchmarks.buying import Shop
from tests.benchmarks.floor import Floor
from tests.benchmarks.measuring import Operation, in_turn
from tests.gadgets.limits import PRESS
from tests.gadgets.models import Press

_keys = (f"bench-{number}" for number in itertools.count())


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One line of the table. ``ratio`` is of ``this`` to ``that``, both in the unit named."""

    what: str
    ratio: float
    must: str
    aim: str
    this: float
    that: float
    unit: str = "µs"

    @property
    def verdict(self) -> str:
        """Whether the aim, or at least the must, is reached."""
        for limit, word in ((self.aim, "aim"), (self.must, "must")):
            if limit and _within(self.ratio, limit):
                return word
        return "MISSED" if self.must else ""


def _within(ratio: float, limit: str) -> bool:
    sign, number = limit.split()
    return ratio <= float(number) if sign == "≤" else ratio >= float(number)


def consume(grant: Grant) -> Operation:
    """A use with a domain row written by the ORM, as guests write theirs."""
    entity = grant.subject

    def run(_: int) -> object:
        return execute_with_entitlement_consumption(
            entity, PRESS, action=lambda: Press.objects.create(entity=entity, key="bench", created_at=NOON), now=NOON
        )

    return run


def consume_raw(grant: Grant) -> Operation:
    """A use with a domain row written by one bare statement: what is left is the engine."""
    entity, now = grant.subject, db_time(NOON)

    def insert() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO gadgets_presses (entity_id, `key`, created_at) VALUES (%s, %s, %s)",
                [entity.pk, "bench", now],
            )

    return lambda _: execute_with_entitlement_consumption(entity, PRESS, action=insert, now=NOON)


def replay(grant: Grant) -> Operation:
    """A key that was used before."""
    entity = grant.subject

    def run(_: int) -> object:
        return execute_with_entitlement_consumption(
            entity, PRESS, action=lambda: None, now=NOON, operation_key="the same"
        )

    run(0)
    return run


def refusal(grant: Grant) -> Operation:
    """A use that does not fit."""
    entity = grant.subject

    def run(_: int) -> None:
        with suppress(LimitExceeded):
            execute_with_entitlement_consumption(entity, PRESS, action=lambda: None, now=NOON, amount=10)

    return run


def keyed(grant: Grant) -> Operation:
    """A use under a key of its own, with a domain row by the ORM."""
    entity = grant.subject

    def run(_: int) -> object:
        return execute_with_entitlement_consumption(
            entity,
            PRESS,
            action=lambda: Press.objects.create(entity=entity, key="bench", created_at=NOON),
            now=NOON,
            operation_key=next(_keys),
            encode=lambda press: {"press": press.pk},
        )

    return run


#: What is taken in turn with the floor, what it must be and what is aimed at.
AGAINST_THE_FLOOR: tuple[tuple[str, Callable[[], Operation], str, str], ...] = (
    ("consume with an ORM domain insert / floor", lambda: consume(worlds.with_one_grant()), "≤ 2.2", "≤ 1.8"),
    ("engine alone (raw domain insert) / floor", lambda: consume_raw(worlds.with_one_grant()), "≤ 1.6", "≤ 1.4"),
    ("replay / floor", lambda: replay(worlds.with_one_grant()), "≤ 1.3", "≤ 1.0"),
    ("refusal / floor", lambda: refusal(worlds.with_one_grant(amount=1)), "≤ 0.9", "≤ 0.7"),
    ("consume with a request key / floor", lambda: keyed(worlds.with_one_grant()), "", ""),
)


def against_the_floor(rounds: int) -> Iterator[Line]:
    """Each operation in turn with the floor, and what the first of them costs the client's processor."""
    floor = Floor(worlds.with_one_grant())
    for what, prepare, must, aim in AGAINST_THE_FLOOR:
        timings = in_turn({"floor": floor.book, "operation": prepare()}, rounds=rounds)
        this, that = timings["operation"], timings["floor"]
        yield Line(
            what=what, ratio=this.wall_us / that.wall_us, must=must, aim=aim, this=this.wall_us, that=that.wall_us
        )
        if "ORM" in what:
            ratio = this.cpu_us / that.cpu_us
            yield Line(
                what="client CPU, consume / floor",
                ratio=ratio,
                must="≤ 6",
                aim="≤ 4.5",
                this=this.cpu_us,
                that=that.cpu_us,
            )
    floor.close()


def buying(rounds: int, *, warm_up: int = 30) -> Line:
    """A purchase of three templates in turn with its own floor, which writes the same rows."""
    floor_shop, shop = Shop(warm_up + rounds), Shop(warm_up + rounds)
    floor = BuyingFloor(floor_shop)
    timings = in_turn({"floor": floor.buy, "purchase": shop.operation()}, rounds=rounds, warm_up=warm_up)
    floor.close()
    this, that = timings["purchase"].wall_us, timings["floor"].wall_us
    what = "purchase with 3 templates / its raw floor"
    return Line(what=what, ratio=this / that, must="≤ 2.5", aim="≤ 1.8", this=this, that=that)


def beside(what: str, large: Callable[[], Grant], *, must: str, aim: str, rounds: int) -> Line:
    """The same use on a large subject and on a small one."""
    timings = in_turn({"large": consume(large()), "small": consume(worlds.with_one_grant())}, rounds=rounds)
    this, that = timings["large"].wall_us, timings["small"].wall_us
    return Line(what=what, ratio=this / that, must=must, aim=aim, this=this, that=that)


def all_lines(*, rounds: int, history: int) -> Iterator[Line]:
    """Every line of the table, in its order."""
    yield from against_the_floor(rounds)
    yield buying(rounds)
    yield beside(
        f"consume at {history:,} ledger rows / at none",
        lambda: worlds.with_history(history),
        must="≤ 1.2",
        aim="≤ 1.05",
        rounds=rounds,
    )
    yield beside(
        "consume with 1,000 open grants / with one",
        lambda: worlds.with_many_grants(1000),
        must="≤ 1.3",
        aim="≤ 1.1",
        rounds=rounds,
    )
    engine, floor = hot.rates()
    yield Line(
        what="one hot subject, 4 connections, ops/s / raw floor",
        ratio=engine / floor,
        must="≥ 0.4",
        aim="≥ 0.55",
        this=engine,
        that=floor,
        unit="ops/s",
    )
