"""What one subject used in a month, by the day: what a chart of it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from billing.engine.types import SubjectType
from billing.models import UsageDay


@dataclass(frozen=True, kw_only=True, slots=True)
class DayOfUse:
    """Units used on one day (UTC), and how often more was refused."""

    day: date
    used: int = 0
    refused: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class MonthOfUse:
    """The days of one limit from the first of the month to its last, those to come with nothing."""

    code: str
    name: str
    unit: str
    days: tuple[DayOfUse, ...]

    @property
    def used(self) -> int:
        return sum(day.used for day in self.days)

    @property
    def refused(self) -> int:
        return sum(day.refused for day in self.days)


def month_of_use(subject_id: int, *, today: date) -> Sequence[MonthOfUse]:
    """Every limit the subject used or was refused in the month of ``today``, by name. One statement."""
    days = _days_of(today)
    rows = UsageDay.objects.filter(
        subject_type=SubjectType.BILLABLE_ENTITY.value,
        subject_id=subject_id,
        day__gte=days[0],
        day__lte=days[-1],
        definition__is_active=True,
    ).select_related("definition")
    known = {(row.definition.code, row.day): row for row in rows}
    named = {row.definition.code: row.definition for row in known.values()}
    return [
        MonthOfUse(
            code=code,
            name=named[code].name,
            unit=named[code].unit,
            days=tuple(_day(known.get((code, day)), day) for day in days),
        )
        for code in sorted(named, key=lambda code: named[code].name)
    ]


def _days_of(today: date) -> list[date]:
    first = today.replace(day=1)
    days = [first + timedelta(days=number) for number in range(31)]
    return [day for day in days if day.month == first.month]


def _day(row: UsageDay | None, day: date) -> DayOfUse:
    return DayOfUse(day=day) if row is None else DayOfUse(day=day, used=row.used, refused=row.refused)
