"""
Who may open a socket, and whether those who did still may: origins, sessions, tokens, memberships.

Everything here asks the database and is called from threads, with ``now`` passed in. What was true when a socket opened is
asked again for many sockets at once, in at most four statements.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.http.request import split_domain_port, validate_host

from mozaiks.kit.errors import Unauthenticated
from mozaiks.workspaces import gate, tokens
from mozaiks.workspaces.models import ApiToken, Membership, User

_DEFAULT_PORTS = {"http": 80, "https": 443}
_DATABASE_SESSIONS = ("django.contrib.sessions.backends.db", "django.contrib.sessions.backends.cached_db")


@dataclass(frozen=True, kw_only=True, slots=True)
class Visitor:
    """Somebody with an open socket, and what let them in: a token, or a session and the password it was begun with."""

    user_id: int
    token_id: int | None = None
    session_key: str | None = None
    session_hash: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Seat:
    """A visitor's membership in a workspace."""

    workspace_id: int
    permissions: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """
    What is true now of visitors that came in before: who of them still may be here, and as what in which of the ``workspaces``
    that were asked about. Of others nothing is known.
    """

    welcome: frozenset[Visitor]
    workspaces: frozenset[int]
    permissions: Mapping[tuple[int, int], frozenset[str]]

    def permissions_of(self, visitor: Visitor, workspace_id: int) -> frozenset[str] | None:
        """None: no member any more."""
        return self.permissions.get((visitor.user_id, workspace_id))


def origin_allowed(origin: str, *, host: str, scheme: str) -> bool:
    """
    Whether a page of ``origin`` may open a socket: one of ``REALTIME_ALLOWED_ORIGINS``, or on a desk the server's own.

    Compared whole, scheme and port included; ``host`` is the request's own and counts only where ``ALLOWED_HOSTS`` knows it.
    """
    asked = _origin(origin)
    if asked is None:
        return False
    if asked in {_origin(each) for each in settings.REALTIME_ALLOWED_ORIGINS}:
        return True
    if not settings.DEBUG or not validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS):
        return False
    return asked == _origin(f"{'https' if scheme == 'wss' else 'http'}://{host}")


def _origin(text: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None for anything a browser would not send as the origin of a page."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    bare = not (parts.path or parts.query or parts.fragment or parts.username or parts.password is not None)
    if (
        parts.scheme not in _DEFAULT_PORTS
        or not parts.hostname
        or not bare
        or text != text.strip()
        or text[-1:] in "?#"
    ):
        return None
    return parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme]


def visitor_of_token(secret: str, *, now: datetime) -> Visitor | None:
    """Who a token lets in; None where it lets nobody in."""
    try:
        token = tokens.authenticate(secret, now=now)
    except Unauthenticated:
        return None
    return Visitor(user_id=token.user_id, token_id=token.pk)


def visitor_of_cookies(header: str) -> Visitor | None:
    """Who is signed in by the session that the ``Cookie`` header names; None where nobody is."""
    key = _session_key(header)
    if not key:
        return None
    session = _sessions()(key)
    user_id, begun_with = session.get(SESSION_KEY), session.get(HASH_SESSION_KEY, "")
    if user_id is None:
        return None
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None or begun_with not in _hashes(user):
        return None
    return Visitor(user_id=user.pk, session_key=key, session_hash=begun_with)


def _hashes(user: User) -> set[str]:
    """
    What a session of the user's present password carries, by the secret keys of today and of before.

    Django's own look at a session would give it another key here, which a socket cannot tell the browser.
    """
    return {user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()}


def _session_key(header: str) -> str:
    try:
        morsel = SimpleCookie(header).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return ""
    return morsel.value if morsel is not None else ""


def _sessions() -> type[SessionBase]:
    found: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
    return found


def seat_of(visitor: Visitor, slug: str, *, now: datetime) -> Seat | None:
    """
    The visitor's place in the workspace ``slug``; None whether it is somebody else's or none at all.

    Where the gate of the workspace is shut, only what asks for no more than a membership is left, and what manages billing.
    """
    memberships = Membership.objects.filter(user_id=visitor.user_id, user__is_active=True, workspace__slug=slug)
    membership = gate.asked_along(memberships.select_related("workspace"), now=now).first()
    if membership is None:
        return None
    return Seat(workspace_id=membership.workspace_id, permissions=gate.behind(membership, now=now))


def standing_of(visitors: Sequence[Visitor], workspace_ids: Iterable[int], *, now: datetime) -> Standing:
    """What is true of ``visitors`` now, and of their memberships in ``workspace_ids``."""
    users = User.objects.filter(pk__in={visitor.user_id for visitor in visitors}, is_active=True).in_bulk()
    by_token = {visitor.token_id for visitor in visitors if visitor.token_id is not None}
    usable = set(ApiToken.objects.usable_at(now).filter(pk__in=by_token).values_list("pk", flat=True))
    sessions = _living_sessions(visitors, now)
    hashes = {user_id: _hashes(user) for user_id, user in users.items()}
    asked = frozenset(workspace_ids)
    members = Membership.objects.filter(user_id__in=users, workspace_id__in=asked)
    return Standing(
        welcome=frozenset(
            visitor
            for visitor in visitors
            if visitor.user_id in users
            and (
                visitor.token_id in usable
                if visitor.token_id is not None
                else visitor.session_key in sessions and visitor.session_hash in hashes[visitor.user_id]
            )
        ),
        workspaces=asked,
        permissions={(each.user_id, each.workspace_id): each.permissions for each in members},
    )


def _living_sessions(visitors: Sequence[Visitor], now: datetime) -> set[str]:
    """The sessions that have not ended; other stores than the database are asked one by one."""
    keys = {visitor.session_key for visitor in visitors if visitor.session_key is not None}
    if settings.SESSION_ENGINE not in _DATABASE_SESSIONS:
        store = _sessions()
        return {key for key in keys if store().exists(key)}
    from django.contrib.sessions.models import Session

    alive = Session.objects.filter(session_key__in=keys, expire_date__gt=now)
    return set(alive.values_list("session_key", flat=True))
