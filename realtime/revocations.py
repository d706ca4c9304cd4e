"""
What takes a right to listen away: memberships, roles, tokens, users, sessions.

After the commit every process is told whose rights to ask after again. Rows that are saved or deleted elsewhere than by the
functions of ``workspaces`` -- in the admin, by a cascade -- are noticed by Django's signals; a bulk update by the hub's sweep.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.db.models.signals import post_delete, post_save

from mozaiks.workspaces.members import on_membership_changed
from mozaiks.workspaces.models import ApiToken, Membership, User
from mozaiks.workspaces.tokens import on_token_revoked
from realtime import publisher


def follow() -> None:
    """Begin to follow; called once, when Django is ready."""
    on_membership_changed(_membership_changed)
    on_token_revoked(_user_changed)
    user_logged_out.connect(_signed_out, dispatch_uid="realtime")
    for model, signals in {
        User: (post_save, post_delete),
        Membership: (post_save, post_delete),
        ApiToken: (post_save, post_delete),
    }.items():
        for signal in signals:
            signal.connect(_row_changed, sender=model, dispatch_uid=f"realtime.{model.__name__}")


def _membership_changed(workspace_id: int, user_id: int) -> None:
    publisher.look_again([user_id])


def _user_changed(user_id: int) -> None:
    transaction.on_commit(partial(publisher.look_again, [user_id]), robust=True)


def _row_changed(sender: Any, instance: User | Membership | ApiToken, **options: Any) -> None:
    if options.get("created") or options.get("raw"):
        return  # what is new takes nothing away
    user_id = instance.pk if isinstance(instance, User) else instance.user_id
    if user_id is not None:
        _user_changed(user_id)


def _signed_out(sender: Any, request: Any, user: User | None, **options: Any) -> None:
    """Told before the session is emptied, so its key is what to look for."""
    key = getattr(getattr(request, "session", None), "session_key", None)
    if user is not None and key:
        publisher.signed_out(user.pk, key)
