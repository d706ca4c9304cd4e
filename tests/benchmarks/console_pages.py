"""
How long the pages of the console take the server, with many customers.

``python -m tests.benchmarks.console_pages --database mozaiks_many`` measures on a database that ``generate`` made. For every page
it prints the first quartile and the slowest of its runs in milliseconds, what that is beside a page that reads nothing (the
sign-in page), and its statements. Requests go through all of Django in this process; nothing of the network is in them.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

MUST_MS = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """An address of the console, and what somebody does there."""

    what: str
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """What one page took, in milliseconds, and how many statements it made."""

    page: Page
    quartile: float
    slowest: float
    queries: int


def pages() -> Iterator[Page]:
    """The index, every list of billing and the workspaces, its filters, and searches that find one row, many, and none."""
    from django.contrib import admin

    yield Page(what="sign in (reads nothing)", path="/admin/login/")
    yield Page(what="overview", path="/admin/")
    for model, model_admin in admin.site._registry.items():
        if model._meta.app_label not in {"billing", "workspaces"}:
            continue
        path = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        name = str(model._meta.verbose_name_plural)
        yield Page(what=name, path=path)
        yield Page(what=f"{name}, page 3", path=f"{path}?p=3")
        if model_admin.search_fields:
            for word in ("company-4711", "4711", "nobody-is-called-this"):
                yield Page(what=f"{name}, search “{word}”", path=f"{path}?{urlencode({'q': word})}")
        for said in filters(model, model_admin):
            yield Page(what=f"{name}, {urlencode(said)}", path=f"{path}?{urlencode(said)}")
    yield from customers()


def filters(model: Any, model_admin: Any) -> Iterator[dict[str, str]]:
    """Each choice of each filter alone: the common and the rare ones."""
    for name in model_admin.list_filter:
        if not isinstance(name, str):
            by_days = name[1].__name__ == "Days"
            ends = ("_from", "_to") if by_days else ("__isempty",)
            said = ("2001-01-01", "2026-01-01") if by_days else ("1", "0")
            yield from ({f"{name[0]}{end}": value} for end in ends for value in said)
            continue
        field = model._meta.get_field(name)
        if field.is_relation:
            keys = field.related_model._default_manager.order_by("-pk").values_list("pk", flat=True)[:2]
            yield from ({f"{name}__id__exact": str(key)} for key in keys)
        elif field.choices:
            yield from ({f"{name}__exact": str(value)} for value, _ in field.choices)
        else:
            yield from ({f"{name}__exact": value} for value in ("1", "0"))


def customers() -> Iterator[Page]:
    """What is asked of one customer."""
    from billing.models import BillableEntity

    some = BillableEntity.objects.order_by("pk")[4711]
    path = "/admin/billing/billableentity/"
    yield Page(what="page of a customer", path=f"{path}{some.pk}/change/")
    for word in ("company", "Company 47", "person4711", "pany-4711"):
        yield Page(what=f"customers, search “{word}”", path=f"{path}?{urlencode({'q': word})}")
    for ledger in ("balance", "grant", "consumption", "allocation", "decision", "usageday"):
        yield Page(what=f"{ledger}s of one customer", path=f"/admin/billing/{ledger}/?subject__id__exact={some.pk}")


def measure(client: Any, page: Page, *, runs: int) -> Line:
    """Ask for the page ``runs`` times after a first one that nobody counts."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        answer = client.get(page.path, follow=True)
    queries = len(captured)  # read at once: the next request forgets them
    assert answer.status_code == 200, f"{page.path}: {answer.status_code}"
    assert "e=1" not in answer.request["QUERY_STRING"], f"{page.path}: a filter that is none"
    took = []
    for _ in range(runs):
        started = time.perf_counter()
        client.get(page.path)
        took.append((time.perf_counter() - started) * 1000)
    took.sort()
    return Line(page=page, quartile=took[len(took) // 4], slowest=took[-1], queries=queries)


def lines(*, runs: int, only: str = "") -> Iterator[Line]:
    """Measure page after page as a superuser who is made for it."""
    from django.test import Client

    from mozaiks.workspaces.models import User

    operator, _ = User.objects.get_or_create(
        username="benchmark", defaults={"is_staff": True, "is_superuser": True, "password": "!"}
    )
    signed_in, stranger = Client(), Client()
    signed_in.force_login(operator)
    for page in pages():
        if only in page.what or page.path.endswith("/login/"):
            yield measure(stranger if page.path.endswith("/login/") else signed_in, page, runs=runs)


def main() -> int:
    """Measure and print; ``--markdown`` prints what docs/performance.md holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.console_pages", description=__doc__)
    parser.add_argument("--database", required=True, help="one that tests.benchmarks.generate made")
    parser.add_argument("--server", default="mysql://root@127.0.0.1:3306", help="URL without the database")
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--only", default="", help="pages whose name has this")
    parser.add_argument("--slow", action="store_true", help=f"only those over {MUST_MS} ms")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    given = parser.parse_args()
    os.environ["TEST_DATABASE_URL"] = f"{given.server}/{given.database}"
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    found = list(lines(runs=given.runs, only=given.only))
    floor = found[0].quartile
    shown = [line for line in found if not given.slow or line.slowest > MUST_MS]
    (print_markdown if given.markdown else print_table)(shown, floor=floor)
    slow = [line for line in found if line.quartile > MUST_MS]
    print(f"\n{len(found)} pages, {len(slow)} over {MUST_MS} ms")
    return int(bool(slow))


def cells(line: Line, *, floor: float) -> tuple[str, ...]:
    return (
        line.page.what,
        f"{line.quartile:,.0f}",
        f"{line.slowest:,.0f}",
        f"{line.quartile / floor:.1f}",
        str(line.queries),
    )


COLUMNS = ("page", "ms", "slowest", "beside sign-in", "statements")


def print_table(found: list[Line], *, floor: float) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "page" else "right")
    for line in found:
        table.add_row(*cells(line, floor=floor), style="red" if line.quartile > MUST_MS else "")
    Console(width=140).print(table)


def print_markdown(found: list[Line], *, floor: float) -> None:
    print("|", " | ".join(COLUMNS), "|")
    print("| --- |", " | ".join("---:" for _ in COLUMNS[1:]), "|")
    for line in found:
        print("|", " | ".join(cells(line, floor=floor)), "|")


if __name__ == "__main__":
    sys.exit(main())
