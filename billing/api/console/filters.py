"""What a list of the console is narrowed by: parameters of the address, each taken as strictly as a body is."""

from __future__ import annotations

from enum import StrEnum

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from billing.api.subject import ENTITY_QUERY, HIGHEST_ID
from mozaiks.kit.errors import Invalid

LONGEST_TEXT = 191


class YesOrNo(StrEnum):
    """A truth in an address."""

    YES = "true"
    NO = "false"


BY_ENTITY = OpenApiParameter(
    ENTITY_QUERY,
    {"type": "integer", "format": "int64", "minimum": 1},
    OpenApiParameter.QUERY,
    description="Of this billable entity alone.",
)


def among(name: str, kind: type[StrEnum], description: str) -> OpenApiParameter:
    """A parameter that is one of the words of ``kind``."""
    return OpenApiParameter(
        name, OpenApiTypes.STR, OpenApiParameter.QUERY, enum=[word.value for word in kind], description=description
    )


def any_text(name: str, description: str) -> OpenApiParameter:
    """A parameter that is compared as a whole."""
    return OpenApiParameter(name, OpenApiTypes.STR, OpenApiParameter.QUERY, description=description)


def entity_of(request: Request) -> int | None:
    """:raises Invalid: it is no id."""
    text = request.query_params.get(ENTITY_QUERY)
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) <= len(str(HIGHEST_ID)) and 1 <= int(text) <= HIGHEST_ID:
        return int(text)
    raise _wrong(ENTITY_QUERY, "Must be the id of a billable entity: a whole number of 1 or more.")


def word_of(request: Request, name: str, kind: type[StrEnum]) -> str | None:
    """:raises Invalid: it is none of the words."""
    text = request.query_params.get(name)
    if text is None or text in {word.value for word in kind}:
        return text
    raise _wrong(name, f"Must be one of {', '.join(word.value for word in kind)}.")


def text_of(request: Request, name: str) -> str | None:
    """:raises Invalid: it is longer than anything it could be compared with."""
    text = request.query_params.get(name)
    if text is not None and len(text) > LONGEST_TEXT:
        raise _wrong(name, f"Must be at most {LONGEST_TEXT} characters.")
    return text


def _wrong(name: str, rule: str) -> Invalid:
    return Invalid(f"{name}: {rule}", field_errors={name: [rule]})
