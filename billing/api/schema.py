"""Describes in OpenAPI what is particular to billing: the key of our own services, and addresses that have an alias."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from mozaiks.kit.keys import INTERNAL_KEY_HEADER

Endpoint = tuple[str, str, str, Callable[..., Any]]

ALIASES = ("/api/v1/billing/", "/api/v1/console/billing/", "/api/v1/wallet")


class InternalKeyScheme(OpenApiAuthenticationExtension):
    """Shown by the Swagger page as a field to paste the key of a service into."""

    target_class = "billing.api.internal_key.InternalKeyAuthentication"
    name = "internalKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "header", "name": INTERNAL_KEY_HEADER}


def leave_out_aliases(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """``/api/v1/…`` answers the same as ``/api/…`` for billing: described once."""
    return [endpoint for endpoint in endpoints if not endpoint[0].startswith(ALIASES)]
