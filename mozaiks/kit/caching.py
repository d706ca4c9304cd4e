"""Answers that a client may keep and ask about again: ``ETag``, ``If-None-Match`` and 304."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from django.utils.http import parse_etags
from rest_framework.request import Request
from rest_framework.response import Response


def etag_of(content: Any) -> str:
    """
    The tag of JSON-able ``content``.

    Weak, because two answers with one tag may differ in what was left out of ``content``, such as the time they were made.
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return f'W/"{sha256(text.encode()).hexdigest()[:32]}"'


def answer_unless_known(request: Request, body: Any, *, etag: str) -> Response:
    """200 with ``body``, or 304 without one where the client has it already."""
    known = _matches(request.headers.get("If-None-Match", ""), etag)
    response = Response(status=304) if known else Response(body)
    response["ETag"] = etag
    return response


def _matches(header: str, etag: str) -> bool:
    """``If-None-Match`` compares weakly: strong or weak, the same letters are the same tag."""
    tags = parse_etags(header)
    return tags == ["*"] or etag.removeprefix("W/") in {tag.removeprefix("W/") for tag in tags}
