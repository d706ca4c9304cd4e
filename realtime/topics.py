"""
The one page that says what can go over the wire and who may hear it.

A topic is heard in one workspace at a time, through a surface; a surface asks for a permission in that workspace, or for no
more than a membership. A guest declares a topic of its own with :func:`declare`.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from mozaiks.kit.times import utc_z
from mozaiks.workspaces.roles import BILLING_MANAGE

WORKSPACE_BILLING_LIMITS: Final = "workspace_billing_limits"
WORKSPACE_BILLING_LIMITS_UPDATED: Final = "workspace.billing.limits.updated"

#: In the ``hearers`` of a topic: every member of the workspace may listen.
ANY_MEMBER: Final = ""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")


class Surface(StrEnum):
    """Where a client shows what it hears: the application, or the pages of who manages it."""

    APP = "app"
    ADMIN = "admin"


@dataclass(frozen=True, kw_only=True, slots=True)
class Topic:
    """What can be heard under one name, and the permission each surface asks for."""

    name: str
    event_types: tuple[str, ...]
    hearers: Mapping[Surface, str]

    def lets_hear(self, surface: Surface, permissions: frozenset[str]) -> bool:
        """Whether a member with ``permissions`` may hear this through ``surface``."""
        needed = self.hearers[surface]
        return needed == ANY_MEMBER or needed in permissions


TOPICS: Final[dict[str, Topic]] = {
    WORKSPACE_BILLING_LIMITS: Topic(
        name=WORKSPACE_BILLING_LIMITS,
        event_types=(WORKSPACE_BILLING_LIMITS_UPDATED,),
        hearers={Surface.APP: ANY_MEMBER, Surface.ADMIN: BILLING_MANAGE},
    ),
}


def declare(name: str, *, event_types: tuple[str, ...], app: str, admin: str) -> Topic:
    """
    Make a topic known; ``app`` and ``admin`` are the permissions its surfaces ask for. The same again changes nothing.

    :raises ValueError: the name is none, or another topic has it.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a topic: lower-case letters, digits and _, at most 60")
    topic = Topic(name=name, event_types=event_types, hearers={Surface.APP: app, Surface.ADMIN: admin})
    if TOPICS.setdefault(name, topic) != topic:
        raise ValueError(f"there is another topic {name!r}")
    return topic


def group_of(topic: str, workspace_id: int) -> str:
    """Under which name the channel layer knows those who hear ``topic`` in a workspace."""
    return f"realtime.{topic}.{workspace_id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """Which request brought an event about; all None where the clock did."""

    command_id: str | None = None
    source_client_id: str | None = None
    actor_user_id: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that happened in a workspace. ``payload`` is JSON and holds what hearers of the topic may know."""

    topic: str
    event_type: str
    workspace_id: int
    workspace_slug: str
    entity_type: str
    entity_id: int
    payload: Mapping[str, Any]
    occurred_at: datetime
    cause: Cause = field(default_factory=Cause)

    @property
    def group(self) -> str:
        return group_of(self.topic, self.workspace_id)

    def envelope(self) -> dict[str, Any]:
        """
        The event as it goes over the wire, with an id of its own.

        :raises ValueError: the topic is unknown, or has no such events.
        """
        topic = TOPICS.get(self.topic)
        if topic is None or self.event_type not in topic.event_types:
            raise ValueError(f"{self.event_type!r} is no event of a known topic {self.topic!r}")
        return {
            "eventId": uuid.uuid4().hex,
            "occurredAt": utc_z(self.occurred_at),
            "eventType": self.event_type,
            "topic": self.topic,
            "workspaceId": self.workspace_id,
            "workspaceSlug": self.workspace_slug,
            "entityType": self.entity_type,
            "entityId": self.entity_id,
            "commandId": self.cause.command_id,
            "sourceClientId": self.cause.source_client_id,
            "actorUserId": self.cause.actor_user_id,
            "payload": dict(self.payload),
        }

    def frame(self) -> str:
        """The text frame every hearer gets, written once. :raises ValueError: as :meth:`envelope`."""
        return json.dumps({"type": "event", "event": self.envelope()}, separators=(",", ":"))
