"""Reads JSON without a binary float: numbers stay the text they were written as."""

from __future__ import annotations

import json
from typing import Any

from mozaiks.kit.parsers import StrictJSONParser


class NumberText(str):
    """A JSON number, as it was written; unlike a plain string it came without quotes."""

    __slots__ = ()


class ExactJSONParser(StrictJSONParser):
    """
    JSON whose numbers arrive as :class:`NumberText`.

    ``NaN`` and ``Infinity`` arrive too, so that the field they are in can refuse them by name.
    """

    def loads(self, text: str) -> Any:
        return json.loads(text, parse_float=NumberText, parse_int=NumberText, parse_constant=NumberText)
