"""What a client may say: frames, read and checked before anything is asked of the database."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mozaiks.workspaces.models import SLUG_PATTERN
from realtime.topics import TOPICS, Surface, Topic

TYPES: Final = ("subscribe", "unsubscribe", "ping")
LONGEST_ID: Final = 128

RequestId = str | int | None


class Problem(Exception):
    """Why a message is not followed, in one of the protocol's codes."""

    def __init__(self, code: str, message: str, request_id: RequestId = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.request_id = request_id


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A message that makes sense. Of a ``ping`` only the type is there."""

    type: str
    id: RequestId = None
    slug: str = ""
    surface: Surface = Surface.APP
    topics: tuple[Topic, ...] = ()


@dataclass(kw_only=True, slots=True)
class Subscription:
    """What a socket hears of one topic in one workspace, through which surfaces, by the slug it asked with."""

    topic: Topic
    slug: str
    surfaces: set[Surface] = field(default_factory=set)


def read(text: str | None) -> Request:
    """
    Make sense of a text frame (None: a binary one).

    :raises Problem: with the first rule it breaks.
    """
    said = _object(text)
    request_id = _request_id(said)
    kind = said.get("type")
    if kind not in TYPES:
        raise Problem("invalid_message", f"type must be one of {', '.join(TYPES)}.", request_id)
    if kind == "ping":
        return Request(type=kind, id=request_id)
    slug = said.get("workspaceSlug")
    if slug is None or slug == "":
        raise Problem("workspace_required", "workspaceSlug must name a workspace.", request_id)
    if not isinstance(slug, str):
        raise Problem("invalid_message", "workspaceSlug must be a string.", request_id)
    if not re.fullmatch(SLUG_PATTERN, slug):
        raise Problem("forbidden", "You cannot listen in this workspace.", request_id)
    surface = said.get("surface")
    if not isinstance(surface, str) or surface not in set(Surface):
        raise Problem("unsupported_surface", f"surface must be one of {', '.join(Surface)}.", request_id)
    return Request(
        type=kind, id=request_id, slug=slug, surface=Surface(surface), topics=_topics(said.get("topics"), request_id)
    )


def _object(text: str | None) -> Mapping[str, Any]:
    if text is None:
        raise Problem("invalid_message", "Frames are JSON text.")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise Problem("invalid_message", "The frame is not JSON.") from None
    if not isinstance(said, dict):
        raise Problem("invalid_message", "A message is a JSON object.")
    return said


def _request_id(said: Mapping[str, Any]) -> RequestId:
    """What the client calls its request: given back as it came."""
    given = said.get("requestId")
    if given is None or (isinstance(given, int) and not isinstance(given, bool)):
        return given
    if isinstance(given, str) and len(given) <= LONGEST_ID:
        return given
    raise Problem("invalid_message", f"requestId must be a string of at most {LONGEST_ID} characters.")


def _topics(names: Any, request_id: RequestId) -> tuple[Topic, ...]:
    wellformed = isinstance(names, list) and names and all(isinstance(name, str) for name in names)
    if not wellformed:
        raise Problem("invalid_message", "topics must be a list of names, at least one.", request_id)
    wanted: Sequence[str] = list(dict.fromkeys(names))
    unknown = next((name for name in wanted if name not in TOPICS), None)
    if unknown is not None:
        raise Problem("unsupported_topic", f"There is no topic {unknown[:60]!r}.", request_id)
    return tuple(TOPICS[name] for name in wanted)
