"""
Answers what a user may do in a workspace, and hides workspaces from those who may not know of them.

Every door of an app comes in by ``enter``, which also asks the gate. The doors of billing use ``workspace_for`` and
``require``: they stay open where the gate is shut, or nobody could pay for opening it.
"""

from datetime import datetime
from typing import TypeGuard

from mozaiks.kit.errors import Denied, NotFound
from mozaiks.workspaces import gate
from mozaiks.workspaces.models import Membership, User, Workspace

NOTHING: frozenset[str] = frozenset()
Caller = object
"""Whatever a request calls its user: somebody signed in, or nobody."""


def enter(user: Caller, slug: str, permission: str, *, now: datetime) -> Workspace:
    """
    The workspace ``slug``, for ``user`` to do there what ``permission`` names. One statement, the gate included.

    :raises NotFound: in the same words whether there is none or it is somebody else's.
    :raises Denied: their role there does not have the permission.
    :raises Failure: as the gate says, such as ``WorkspaceExpired``.
    """
    if not _is_person(user):
        raise _no_such_workspace()
    memberships = Membership.objects.filter(user=user, workspace__slug=slug).select_related("workspace")
    membership = gate.asked_along(memberships, now=now).first()
    if membership is None:
        raise _no_such_workspace()
    if permission not in membership.permissions:
        raise _denied(permission)
    gate.pass_through(membership, permission, now=now)
    return membership.workspace


def workspace_for(user: Caller, slug: str) -> Workspace:
    """
    The workspace ``slug``, if ``user`` is a member of it.

    :raises NotFound: in the same words whether there is none or it is somebody else's.
    """
    if _is_person(user):
        found = Workspace.objects.visible_to(user).filter(slug=slug).first()
        if found is not None:
            return found
    raise _no_such_workspace()


def permissions_of(user: Caller, workspace: Workspace) -> frozenset[str]:
    """What ``user`` may do in ``workspace``: nothing without a membership, whatever they are elsewhere."""
    if not _is_person(user):
        return NOTHING
    membership = Membership.objects.filter(workspace=workspace, user=user).first()
    return membership.permissions if membership else NOTHING


def require(user: Caller, workspace: Workspace, permission: str) -> None:
    """:raises Denied: unless the role of ``user`` in ``workspace`` has ``permission``."""
    if permission not in permissions_of(user, workspace):
        raise _denied(permission)


def _no_such_workspace() -> NotFound:
    return NotFound("There is no such workspace.")


def _denied(permission: str) -> Denied:
    return Denied("Your role in this workspace does not allow this.", details={"permission": permission})


def _is_person(user: Caller) -> TypeGuard[User]:
    return isinstance(user, User) and user.is_active
