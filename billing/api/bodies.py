"""What bodies of requests share: fields that nobody knows are refused, and paths that lead nowhere but back to this site."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

from billing.models import BillableEntity
from mozaiks.kit.fields import TextField

PATH_LENGTH: Final = 1000
PATH_RULE: Final = "Must be a path of this site, such as /w/acme/billing?paid=1."
#: Visible ASCII: everything else is percent-encoded in an address.
_VISIBLE: Final = re.compile(r"/[!-~]*")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
#: An address that is still encoded after so many rounds hides something.
_ROUNDS: Final = 3

#: Of doors that are shut without it.
KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="Needed: a key of your own, 1 to 191 visible ASCII characters; a repeat of the request sends the same.",
)


class StrictBody(serializers.Serializer[Any]):
    """A body in which a field that is none of ours is an error: amounts and prices are never taken from clients."""

    def to_internal_value(self, data: Any) -> Any:
        """:raises ValidationError: also for fields that nobody knows."""
        strangers = sorted(map(str, data.keys() - self.fields.keys())) if isinstance(data, dict) else []
        if strangers:
            raise serializers.ValidationError({name: ["There is no such field."] for name in strangers})
        return super().to_internal_value(data)


class SitePathField(TextField):
    """Where a customer comes back to: a path of this site, and nothing a browser could read as another one's."""

    default_error_messages = {"path": PATH_RULE}

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=PATH_LENGTH, trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        path = super().to_internal_value(data)
        if not is_site_path(path):
            self.fail("path")
        return path


def is_site_path(path: str) -> bool:
    """Whether ``path``, however often it is decoded, begins with one slash and names no host, no scheme, no way upwards."""
    if not _VISIBLE.fullmatch(path):
        return False
    for _ in range(_ROUNDS):
        if not _is_plain(path):
            return False
        decoded = unquote(path, errors="replace")
        if decoded == path:
            return True
        path = decoded
    return False


def _is_plain(path: str) -> bool:
    parts = urlsplit(path)
    segments = parts.path.split("/")
    return not (
        path.startswith("//")
        or parts.scheme
        or parts.netloc
        or _CONTROL.search(path)
        or "//" in parts.path
        or "." in segments
        or ".." in segments
    )


def validated(body: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """What the request says. :raises ValidationError: it breaks a rule."""
    said = body(data=request.data)
    said.is_valid(raise_exception=True)
    fields: dict[str, Any] = said.validated_data
    return fields


def base_url(request: Request) -> str:
    """What stands before a path of this site in an address: as configured, else as the request was addressed."""
    return str(settings.PUBLIC_BASE_URL).rstrip("/") or request.build_absolute_uri("/").rstrip("/")


def home_of(entity: BillableEntity) -> str:
    """Where a customer comes back to who did not say where."""
    return f"/w/{entity.workspace.slug}/billing" if entity.workspace is not None else "/"
