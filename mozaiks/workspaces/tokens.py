"""Issues, recognises and revokes access tokens; the secret is shown once and only its SHA-256 is kept."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q

from mozaiks.kit.errors import Invalid, Unauthenticated
from mozaiks.kit.listeners import Listeners
from mozaiks.workspaces.models import ApiToken, User

SECRET_PREFIX: Final = "mzk_"  # noqa: S105 - what our secrets start with, no secret itself
SECRET_BYTES: Final = 32
SHOWN_CHARACTERS: Final = 12
# A stamp per request would turn every read into a write.
STAMP_EVERY: Final = timedelta(minutes=1)

token_revoked: Listeners[int] = Listeners()
"""Told the ``user_id`` of a token that was revoked, in the caller's transaction."""

on_token_revoked = token_revoked.register


def issue(user: User, *, name: str, now: datetime, expires_at: datetime | None = None) -> tuple[ApiToken, str]:
    """
    Make a token that acts as ``user``; the second value is the secret, which nobody can read again.

    :raises Invalid: for an empty or long name, or an expiry that is not in the future.
    """
    longest = ApiToken._meta.get_field("name").max_length or 0
    if not 1 <= len(name.strip()) <= longest:
        raise Invalid("A token needs a name.", field_errors={"name": [f"Use 1 to {longest} characters."]})
    if expires_at is not None and expires_at <= now:
        raise Invalid("This token would be expired.", field_errors={"expiresAt": ["Choose a time in the future."]})
    secret = SECRET_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    token = ApiToken.objects.create(
        user=user,
        name=name.strip(),
        prefix=secret[:SHOWN_CHARACTERS],
        digest=digest_of(secret),
        created_at=now,
        expires_at=expires_at,
    )
    return token, secret


def digest_of(secret: str) -> str:
    """A plain hash is enough: the secret has 256 random bits, there is nothing to guess it from."""
    return hashlib.sha256(secret.encode()).hexdigest()


def authenticate(secret: str, *, now: datetime) -> ApiToken:
    """
    The token of ``secret``, with its user.

    :raises Unauthenticated: in the same words whether it is unknown, expired, revoked or its user is shut out.
    """
    token = ApiToken.objects.usable_at(now).select_related("user").filter(digest=digest_of(secret)).first()
    if token is None:
        raise Unauthenticated("This token is not valid.")
    _stamp(token, now=now)
    return token


def revoke(token: ApiToken, *, now: datetime) -> None:
    """Shut the token out from now on. The first revocation stays the one on record."""
    ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now)
    token.refresh_from_db(fields=["revoked_at"])
    token_revoked.tell(token.user_id)


def _stamp(token: ApiToken, *, now: datetime) -> None:
    latest = now - STAMP_EVERY
    if token.last_used_at is None or token.last_used_at <= latest:
        stale = Q(last_used_at=None) | Q(last_used_at__lte=latest)
        ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)
