"""
Ledgers as CSV: streamed page by page, so that a million rows need no more memory than a thousand.

Pages are read by primary key, the newest first, and rows that are written meanwhile do not move them. Text that a spreadsheet
would take for a formula is written with an apostrophe before it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse

from mozaiks.kit.times import utc_z

ROWS_PER_PAGE = 2_000
#: What a spreadsheet takes for the beginning of a formula, or cuts off to find one.
DANGEROUS = ("=", "+", "-", "@", "\t", "\r")

Reader = Callable[[Any], object]


class _Line:
    """What ``csv.writer`` writes into: it hands the line back."""

    def write(self, line: str) -> str:
        return line


def csv_response(
    request: HttpRequest,
    rows: QuerySet[Any],
    columns: Sequence[str],
    *,
    filename: str,
    readers: dict[str, Reader] | None = None,
) -> StreamingHttpResponse:
    """
    ``rows`` as a file to download: ``columns`` are names of fields, the first line says them.

    ``readers`` turn the value of a column into what is written. An ASGI server is given an asynchronous stream, since it would
    gather all of any other before it sends the first byte.
    """
    lines = csv_lines(rows, columns, readers=readers or {})
    content = _step_by_step(lines) if isinstance(request, ASGIRequest) else lines
    return StreamingHttpResponse(
        content,
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{filename}"',
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        },
    )


def csv_lines(rows: QuerySet[Any], columns: Sequence[str], *, readers: dict[str, Reader]) -> Iterator[str]:
    """The file in pieces of one page of rows each."""
    writer = csv.writer(_Line())
    yield writer.writerow(columns)
    read = [readers.get(column, cell) for column in columns]
    for page in _pages(rows, columns):
        yield "".join(
            writer.writerow([_safe(each(value)) for each, value in zip(read, values, strict=True)]) for values in page
        )


def cell(value: object) -> object:
    """A value as a cell: instants as on the wire, JSON as text, NULL empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return utc_z(value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return value


def _safe(value: object) -> object:
    """Numbers stay numbers, also negative ones; text is never a formula."""
    if isinstance(value, str) and value.lstrip(" ").startswith(DANGEROUS):
        return f"'{value}"
    return value


def _pages(rows: QuerySet[Any], columns: Sequence[str]) -> Iterator[list[tuple[Any, ...]]]:
    wanted = rows.prefetch_related(None).select_related(None).order_by("-pk").values_list("pk", *columns)
    last: int | None = None
    while True:
        page = list((wanted if last is None else wanted.filter(pk__lt=last))[:ROWS_PER_PAGE])
        if page:
            yield [values[1:] for values in page]
        if len(page) < ROWS_PER_PAGE:
            return
        last = page[-1][0]


async def _step_by_step(lines: Iterator[str]) -> AsyncIterator[str]:
    """One page after the other, each read in the thread that has the request's connection."""
    following = sync_to_async(lambda: next(lines, None), thread_sensitive=True)
    while (line := await following()) is not None:
        yield line
