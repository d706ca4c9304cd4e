"""
The signs of health on the first page: each a word, a sentence, and the way to more for those who may follow it.

They are put together from what ``billing.usage.overview`` has read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from billing.usage import overview
from billing.usage.days import Projected
from billing.usage.overview import Backlog, Events
from mozaiks.kit import health

#: Uses and refusals the page itself counts where no worker does, of each kind.
CATCH_UP_ROWS = 2_000
#: A boundary that nobody attended to for so long is news, and so is a ledger that nobody verified for so long.
LATE = timedelta(minutes=10)
#: A worker makes a round a minute.
SILENT = timedelta(minutes=5)
UNVERIFIED = timedelta(days=2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tile:
    """One sign of health: what, a word, a sentence, and a tone (good, warning, bad, plain). ``path`` leads to more."""

    title: str
    word: str
    sentence: str
    tone: str
    path: str = ""


def at(instant: datetime | None) -> str:
    """An instant as an operator reads it, with its zone."""
    return "-" if instant is None else f"{instant:%Y-%m-%d %H:%M} UTC"


def span(length: timedelta) -> str:
    """A length of time in a word or two."""
    seconds = max(0, int(length.total_seconds()))
    for name, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        number = seconds // size
        if number:
            return f"{number:,} {name}{'' if number == 1 else 's'}"
    return "less than a minute"


def tiles(
    request: HttpRequest, projected: Projected | None, backlog: Backlog, events: Events, *, now: datetime
) -> Iterable[Tile]:
    """Every sign, in the order of the page."""
    yield Tile(title="Database", word="answers", sentence="This page was read from it.", tone="good")
    for name in sorted(health.PROBES.keys() - {"database"}):
        yield _probe(name)
    yield _worker(backlog, now=now)
    yield _boundaries(backlog, now=now)
    yield _ledger(request, events, now=now)
    yield _webhooks(request, backlog, now=now)
    yield _purchases(request, backlog)
    yield _counted(projected)


def _webhooks(request: HttpRequest, backlog: Backlog, *, now: datetime) -> Tile:
    """Whether what providers tell arrives: what waits for its turn, and what waits for an operator."""
    title = "Webhooks"
    path = f"{reverse('admin:billing_billingevent_changelist')}?event_type__exact=webhook&status__exact=failed"
    may = request.user.has_perm("billing.view_billingevent")
    if backlog.stuck:
        word = f"{_many(backlog.stuck)} given up"
        sentence = "Look at why, then replay: nothing tries them again."
        return Tile(title=title, word=word, sentence=sentence, tone="bad", path=path if may else "")
    if backlog.told_at is None:
        return Tile(title=title, word="none waits", sentence="What providers told is processed.", tone="good")
    waits = now - backlog.told_at
    sentence = f"The oldest came in {span(waits)} ago."
    return Tile(title=title, word="some wait", sentence=sentence, tone="warning" if waits > LATE else "good")


def _many(number: int) -> str:
    return f"{'more than ' if number >= overview.MANY else ''}{number:,}"


def _probe(name: str) -> Tile:
    title = {"channelLayer": "Channel layer"}.get(name, name)
    if health.verdict(name) != "ok":
        return Tile(title=title, word="down", sentence="The log says why: health_probe_failed.", tone="bad")
    where = "Redis." if settings.REDIS_URL else "In the memory of this process."
    return Tile(title=title, word="answers", sentence=where if name == "channelLayer" else "", tone="good")


def _worker(backlog: Backlog, *, now: datetime) -> Tile:
    title, heard = "Worker", backlog.worker_at
    if heard is None:
        return Tile(title=title, word="never heard of", sentence="Run billing_worker.", tone="plain")
    silent = now - heard > SILENT
    word = f"silent for {span(now - heard)}" if silent else "at work"
    return Tile(title=title, word=word, sentence=f"Last heard of {at(heard)}.", tone="bad" if silent else "good")


def _boundaries(backlog: Backlog, *, now: datetime) -> Tile:
    title = "Boundaries"
    if backlog.oldest_at is None:
        return Tile(title=title, word="none due", sentence="Every balance is of its present window.", tone="good")
    waits = now - backlog.oldest_at
    many = "more than " if backlog.due >= overview.MANY else ""
    return Tile(
        title=title,
        word=f"{many}{backlog.due:,} due",
        sentence=f"The oldest waits for {span(waits)}.",
        tone="warning" if waits > LATE else "good",
        path=f"{reverse('admin:billing_balance_changelist')}?next_change_at_to={now.date().isoformat()}",
    )


def _ledger(request: HttpRequest, events: Events, *, now: datetime) -> Tile:
    title, run = "Ledger", events.verified
    if run is None:
        return Tile(title=title, word="never verified", sentence="Run verify_ledger every night.", tone="plain")
    may = request.user.has_perm("billing.view_billingevent")
    path = reverse("admin:billing_billingevent_change", args=[run.id]) if may else ""
    differences, subjects = run.payload.get("differences", 0), run.payload.get("subjects", 0)
    sentence = f"{subjects:,} subjects, {at(run.at)}."
    if differences:
        word = f"{differences:,} difference{'' if differences == 1 else 's'}"
        return Tile(title=title, word=word, sentence=sentence, tone="bad", path=path)
    old = now - run.at > UNVERIFIED
    word = f"verified {span(now - run.at)} ago" if old else "no difference"
    return Tile(title=title, word=word, sentence=sentence, tone="warning" if old else "good", path=path)


def _purchases(request: HttpRequest, backlog: Backlog) -> Tile:
    title = "Purchases"
    if not backlog.flagged:
        return Tile(title=title, word="none flagged", sentence="Every payment is tied to a sale.", tone="good")
    may = request.user.has_perm("billing.view_purchase")
    path = f"{reverse('admin:billing_purchase_changelist')}?flagged=yes" if may else ""
    word = f"{_many(backlog.flagged)} to look at"
    return Tile(title=title, word=word, sentence="Paid, and not as it should be.", tone="warning", path=path)


def _counted(projected: Projected | None) -> Tile:
    title = "Usage"
    if projected is None:
        return Tile(title=title, word="being counted", sentence="Somebody else does it just now.", tone="plain")
    if projected.clearing:
        return Tile(title=title, word="being rebuilt", sentence="The numbers below are not whole.", tone="warning")
    if projected.waiting > CATCH_UP_ROWS:
        sentence = f"{projected.waiting:,} uses and refusals are not counted yet: project_usage_days."
        return Tile(title=title, word="behind", sentence=sentence, tone="warning")
    newest = f"All but the newest {projected.waiting:,}." if projected.waiting else "To the last use and refusal."
    return Tile(title=title, word="counted", sentence=newest, tone="good")
