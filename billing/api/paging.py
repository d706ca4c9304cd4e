"""Lists in pages, for customers and for staff: which page was asked for, and what is on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from mozaiks.kit.errors import Invalid

PAGE_SIZE, MOST_ON_A_PAGE = 50, 100
#: Beyond this no page is looked for: no database can skip so many rows.
LAST_PAGE = 1_000_000

PAGES = (
    OpenApiParameter(
        "page",
        {"type": "integer", "minimum": 1, "maximum": LAST_PAGE, "default": 1},
        OpenApiParameter.QUERY,
        description="Which page; the first is 1.",
    ),
    OpenApiParameter(
        "pageSize",
        {"type": "integer", "minimum": 1, "maximum": MOST_ON_A_PAGE, "default": PAGE_SIZE},
        OpenApiParameter.QUERY,
        description="How many entries on a page.",
    ),
)


def page_of(
    request: Request,
    rows: QuerySet[Any],
    present: Callable[[Any], dict[str, Any]],
    *,
    prepare: Callable[[list[Any]], None] | None = None,
) -> dict[str, Any]:
    """
    One page of ``rows``, in their order; the number of queries does not depend on how many there are.

    ``prepare`` reads at once what is told of all of them beside their own columns.

    :raises Invalid: a page or size that is none.
    """
    page = number_of(request, "page", default=1, most=LAST_PAGE)
    size = number_of(request, "pageSize", default=PAGE_SIZE, most=MOST_ON_A_PAGE)
    start = (page - 1) * size
    found = list(rows[start : start + size + 1])
    shown = found[:size]
    if prepare is not None:
        prepare(shown)
    return {
        "entries": [present(row) for row in shown],
        "page": page,
        "pageSize": size,
        "hasMore": len(found) > size,
    }


def number_of(request: Request, name: str, *, default: int, most: int) -> int:
    """A whole number of the query. :raises Invalid: it is none, or not from 1 to ``most``."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 1 <= int(text) <= most):
        rule = f"Must be a whole number from 1 to {most}."
        raise Invalid(f"{name}: {rule}", field_errors={name: [rule]})
    return int(text)
