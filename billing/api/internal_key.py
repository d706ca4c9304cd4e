"""Lets our own services in: who sends ``X-Internal-API-Key`` and sends a right one is not a person and sees every entity."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from mozaiks.kit.keys import INTERNAL_KEY_HEADER, require_internal_key
from mozaiks.workspaces.authentication import SCHEME


@dataclass(frozen=True, slots=True)
class InternalCaller:
    """A service of ours; takes the place of a user in a request."""

    is_authenticated: bool = True
    is_active: bool = True
    pk: None = None


class InternalKeyAuthentication(BaseAuthentication):
    """Looks at the header where it was sent, and only there: everybody else is left to the other authentications."""

    def authenticate(self, request: Request) -> tuple[InternalCaller, None] | None:
        """
        :raises Unavailable: the header was sent and no key is configured.
        :raises Unauthenticated: it was sent empty.
        :raises Denied: its key is none of ours.
        """
        given = request.headers.get(INTERNAL_KEY_HEADER)
        if given is None:
            return None
        require_internal_key(given, settings.INTERNAL_API_KEY)
        return InternalCaller(), None

    def authenticate_header(self, request: Request) -> str:
        """First in the list of authentications, this makes a missing login a 401 and not a 403."""
        return f'{SCHEME} realm="mozaiks"'
