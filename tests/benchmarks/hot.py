"""One hot subject: four connections that all want the same balance row."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from billing.models import Grant
from tests.benchmarks import worlds
from tests.concurrency.crowd import all_at_once, server_of_forks

CONNECTIONS = 4
TURNS = 5
SECONDS = 1.5


def rates() -> tuple[float, float]:
    """Operations per second of the engine and of the floor: the median of several turns, taken alternately."""
    grant, other = worlds.with_one_grant(), worlds.with_one_grant()
    engine: list[float] = []
    floor: list[float] = []
    with server_of_forks():
        for _ in range(TURNS):
            floor.append(_rate(_book, other))
            engine.append(_rate(_consume, grant))
    return median(engine), median(floor)


def _rate(task: Callable[[int], float], grant: Grant) -> float:
    return float(sum(all_at_once(task, [(grant.pk,)] * CONNECTIONS)))


def _consume(grant_id: int) -> float:
    from tests.benchmarks.cases import consume

    return _per_second(consume(Grant.objects.select_related("subject").get(pk=grant_id)))


def _book(grant_id: int) -> float:
    from tests.benchmarks.floor import Floor

    return _per_second(Floor(Grant.objects.get(pk=grant_id)).book)


def _per_second(operation: Callable[[int], object]) -> float:
    for number in range(20):
        operation(number)
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        operation(done)
        done += 1
    return done / (time.perf_counter() - started)
