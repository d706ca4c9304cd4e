"""Changes who belongs to a workspace and as what, and tells whoever listens after the commit."""

from datetime import datetime
from functools import partial

from django.db import transaction

from mozaiks.kit.errors import Conflict, NotFound
from mozaiks.kit.listeners import Listeners
from mozaiks.workspaces.models import Membership, User, Workspace
from mozaiks.workspaces.roles import Role

membership_changed: Listeners[int, int] = Listeners()
"""Told ``(workspace_id, user_id)`` once a change is committed: what was allowed before may not be any more."""

on_membership_changed = membership_changed.register


def add_member(workspace: Workspace, user: User, *, role: Role, now: datetime) -> Membership:
    """
    Make ``user`` a member, once.

    :raises Conflict: when they are one already; their role is then changed by :func:`change_role`.
    """
    with transaction.atomic():
        _lock(workspace)
        if Membership.objects.filter(workspace=workspace, user=user).exists():
            raise Conflict("This user is a member already.", code="ALREADY_A_MEMBER")
        membership = Membership.objects.create(workspace=workspace, user=user, role=role, created_at=now)
        _announce(workspace, user)
    return membership


def change_role(workspace: Workspace, user: User, *, role: Role) -> Membership:
    """
    Give a member another role.

    :raises NotFound: when they are no member.
    :raises Conflict: when the workspace would be left without an owner.
    """
    with transaction.atomic():
        _lock(workspace)
        membership = _membership(workspace, user)
        if role != Role.OWNER:
            _require_another_owner(membership)
        membership.role = role
        membership.save(update_fields=["role"])
        _announce(workspace, user)
    return membership


def remove_member(workspace: Workspace, user: User) -> None:
    """
    End a membership, and with it all that it allowed.

    :raises NotFound: when there is none.
    :raises Conflict: when the workspace would be left without an owner.
    """
    with transaction.atomic():
        _lock(workspace)
        membership = _membership(workspace, user)
        _require_another_owner(membership)
        membership.delete()
        _announce(workspace, user)


def _lock(workspace: Workspace) -> None:
    """Two last owners who leave at the same time must see each other."""
    Workspace.objects.select_for_update().get(pk=workspace.pk)


def _membership(workspace: Workspace, user: User) -> Membership:
    membership = Membership.objects.filter(workspace=workspace, user=user).first()
    if membership is None:
        raise NotFound("This user is no member of the workspace.")
    return membership


def _require_another_owner(membership: Membership) -> None:
    if membership.role != Role.OWNER:
        return
    if not Membership.objects.owners_of(membership.workspace).exclude(pk=membership.pk).exists():
        raise Conflict("A workspace needs an owner.", code="LAST_OWNER")


def _announce(workspace: Workspace, user: User) -> None:
    transaction.on_commit(partial(membership_changed.tell, workspace.pk, user.pk), robust=True)
