"""Reads the JSON of requests: bounded, strict, and never with text that no answer could repeat."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from mozaiks.kit.errors import TooLarge

MOST_BYTES = 1024 * 1024
# An escaped half of a surrogate pair; most texts have none, and only those that do are looked at closely.
HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")


class StrictJSONParser(BaseParser):
    """JSON in UTF-8, as RFC 8259 has it, of at most a mebibyte. Subclasses say how numbers are read by :meth:`loads`."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """
        What the body says.

        :raises TooLarge: it is longer than a mebibyte; the rest is not read.
        :raises ParseError: it is not JSON, nested deeper than anybody means, or holds half a surrogate pair.
        """
        body = stream.read(MOST_BYTES + 1)
        if len(body) > MOST_BYTES:
            raise TooLarge(f"The body is longer than {MOST_BYTES} bytes.")
        try:
            text = body.decode("utf-8")
            value = self.loads(text)
            if HALF_PAIR.search(text):
                json.dumps(value, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise ParseError(f"The body is not valid JSON: {_reason(error)}") from error
        return value

    def loads(self, text: str) -> Any:
        """``text`` as values. :raises ValueError: it is no JSON."""
        return json.loads(text, parse_constant=_no_number, parse_float=_finite)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply."
    if isinstance(error, UnicodeEncodeError):
        return "it holds half a surrogate pair."
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8."
    return f"{error}."
