"""Operations taken in turn, and the quartile of what each of them took."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, field

Operation = Callable[[int], object]


@dataclass(slots=True)
class Timing:
    """What each run of one operation took, in nanoseconds: by the clock on the wall and of this thread's processor."""

    wall: list[int] = field(default_factory=list)
    cpu: list[int] = field(default_factory=list)

    @property
    def wall_us(self) -> float:
        return quartile(self.wall) / 1000

    @property
    def cpu_us(self) -> float:
        return quartile(self.cpu) / 1000


def quartile(values: list[int]) -> float:
    """The first quartile: what the operation takes when nobody disturbs it."""
    ordered = sorted(values)
    return float(ordered[len(ordered) // 4])


def in_turn(operations: dict[str, Operation], *, rounds: int, warm_up: int = 50) -> dict[str, Timing]:
    """Run every operation once per round, so that all of them meet the same weather; each gets the number of its run."""
    timings = {name: Timing() for name in operations}
    gc.collect()
    gc.freeze()
    for number in range(warm_up + rounds):
        for name, operation in operations.items():
            wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
            operation(number)
            took, worked = time.perf_counter_ns() - wall, time.thread_time_ns() - cpu
            if number >= warm_up:
                timings[name].wall.append(took)
                timings[name].cpu.append(worked)
    gc.unfreeze()
    return timings
