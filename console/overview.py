"""
The overview: what operators see first. Turns what ``billing.usage.overview`` read into words, numbers and charts.

At most 15 statements whatever the size of the data, the catching up of the daily projection included.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from billing.models import BillableEntity
from billing.usage import days, overview
from billing.usage.overview import Events, Nearest, Usage
from console.admin.base import customer_name
from console.tiles import CATCH_UP_ROWS, at, tiles

PERMISSION = "billing.view_balance"
BAR_COLOUR = "var(--color-primary-600)"
#: Readable on white and on black; the theme colours the lines itself.
_TICKS = {"color": "#71717a", "precision": 0}
CHART_OPTIONS = json.dumps(
    {
        "animation": False,
        "responsive": True,
        "maintainAspectRatio": False,
        "plugins": {"legend": {"display": False}},
        "scales": {
            "x": {"grid": {"display": False}, "ticks": {**_TICKS, "maxRotation": 0, "maxTicksLimit": 8}},
            "y": {"beginAtZero": True, "border": {"display": False}, "ticks": {**_TICKS, "maxTicksLimit": 5}},
        },
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """One definition over the days: for the chart, and the same as rows (day, used, refused)."""

    code: str
    name: str
    unit: str
    path: str
    used: str
    refused: str
    spoken: str
    data: str
    rows: list[tuple[str, str, str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Customer:
    """Who, and the way there for those who may go."""

    name: str
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Fullness:
    """A limit of a customer that is full, or nearly. ``share`` is the filled part of the bar in percent."""

    customer: Customer
    code: str
    used: str
    granted: str
    percent: str
    share: int
    tone: str
    until: str


def page(request: HttpRequest, *, now: datetime) -> dict[str, Any]:
    """What the template of the overview shows to this user."""
    projected = days.catch_up(now=now, rows=CATCH_UP_ROWS)
    today = now.date()
    used = overview.usage(today=today)
    charted = [each for each in used if each.used][: overview.CHARTS]
    full = overview.nearest(now=now)
    most = overview.top((each.definition for each in charted), today=today)
    known = _Customers(request, [*(each.subject_id for each in full), *(each.subject_id for each in most)])
    events = overview.events()
    backlog = overview.backlog(now=now)
    fullness = [_fullness(each, known) for each in full]
    top: dict[str, list[tuple[Customer, str]]] = defaultdict(list)
    for one in most:
        top[one.definition.code].append((known.get(one.subject_id), f"{one.used:,}"))
    return {
        "today": today,
        "now": at(now),
        "tiles": list(tiles(request, projected, backlog, events, now=now)),
        "charts": [_chart(each, request, today=today) for each in charted],
        "more_charts": [each.definition.code for each in used if each.used][overview.CHARTS :],
        "full": [each for each in fullness if each.share == 100],
        "nearly": [each for each in fullness if each.share < 100],
        "top": sorted(top.items()),
        "refusals": list(_refusals(used, today=today)),
        "failed": _failed(request, events),
        "chart_options": CHART_OPTIONS,
        "days": {"chart": overview.DAYS, "refusals": overview.REFUSAL_DAYS, "top": overview.TOP_DAYS},
    }


class _Customers:
    """The customers of the page, read at once; links only for those who may follow them."""

    def __init__(self, request: HttpRequest, subject_ids: Iterable[int]) -> None:
        self.entities: dict[int, BillableEntity] = overview.entities(subject_ids)
        self.may_look = request.user.has_perm("billing.view_billableentity")

    def get(self, subject_id: int) -> Customer:
        entity = self.entities.get(subject_id)
        name = f"customer {subject_id}" if entity is None else customer_name(entity)
        there = self.may_look and entity is not None
        path = reverse("admin:billing_billableentity_change", args=[subject_id]) if there else ""
        return Customer(name=name, path=path)


def _chart(usage: Usage, request: HttpRequest, *, today: date) -> Chart:
    first = today - timedelta(days=overview.DAYS - 1)
    each_day = [first + timedelta(days=number) for number in range(overview.DAYS)]
    sums = [usage.by_day.get(day) for day in each_day]
    used = [0 if day is None else day.used for day in sums]
    refused = [0 if day is None else day.refused for day in sums]
    known, highest = usage.definition, max(used)
    bars = {"label": known.unit, "data": used, "backgroundColor": BAR_COLOUR, "maxBarThickness": 18, "borderRadius": 2}
    said = f"{known.name}: {sum(used):,} used in {overview.DAYS} days, at most {highest:,} on one day."
    path = ""
    if request.user.has_perm("billing.view_usageday"):
        path = f"{reverse('admin:billing_usageday_changelist')}?definition__id__exact={known.id}"
    return Chart(
        code=known.code,
        name=known.name,
        unit=known.unit,
        path=path,
        used=f"{sum(used):,}",
        refused=f"{sum(refused):,}",
        spoken=said,
        data=json.dumps({"labels": [f"{day:%m-%d}" for day in each_day], "datasets": [bars]}),
        rows=[
            (day.isoformat(), f"{units:,}", f"{times:,}")
            for day, units, times in reversed(list(zip(each_day, used, refused, strict=True)))
        ],
    )


def _fullness(one: Nearest, known: _Customers) -> Fullness:
    percent = "over" if one.over_limit or one.used > one.granted else f"{int(one.share * 100)} %"
    share = 100 if one.over_limit or not one.granted else min(100, int(one.share * 100))
    return Fullness(
        customer=known.get(one.subject_id),
        code=one.code,
        used=f"{one.used:,}",
        granted=f"{one.granted:,}",
        percent=percent,
        share=share,
        tone="bad" if share == 100 else "warning",
        until="lasting" if one.until is None else f"until {at(one.until)}",
    )


def _refusals(used: Iterable[Usage], *, today: date) -> Iterable[tuple[str, str, str, str, str]]:
    """Definition, code, today, in the last days, and how many of those were let through because quotas are not enforced."""
    first = today - timedelta(days=overview.REFUSAL_DAYS - 1)
    found = []
    for usage in used:
        for code, by_day in usage.by_code.items():
            lately = [sums for day, sums in by_day.items() if day >= first]
            advisory = sum(sums.advisory for sums in lately)
            number = advisory + sum(sums.refused for sums in lately)
            now = by_day[today].refused + by_day[today].advisory if today in by_day else 0
            if number:
                found.append((number, usage.definition.code, code, now, advisory))
    for number, definition, code, now, advisory in sorted(found, key=lambda row: (-row[0], row[1], row[2])):
        yield definition, code, f"{now:,}", f"{number:,}", f"{advisory:,}"


def _failed(request: HttpRequest, events: Events) -> list[dict[str, Any]]:
    """The last failures, for those who may read events."""
    if not request.user.has_perm("billing.view_billingevent"):
        return []
    return [
        {
            "path": reverse("admin:billing_billingevent_change", args=[event.id]),
            "name": event.name,
            "provider": event.provider or "-",
            "at": at(event.at),
            "attempts": event.attempts,
            "error": event.error[:200] or "-",
        }
        for event in events.failed
    ]
