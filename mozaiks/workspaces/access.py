"""Answers what a user may do in a workspace, and hides workspaces from those who may not know of them."""

from typing import TypeGuard

from mozaiks.kit.errors import Denied, NotFound
from mozaiks.workspaces.models import Membership, User, Workspace

NOTHING: frozenset[str] = frozenset()
Caller = object
"""Whatever a request calls its user: somebody signed in, or nobody."""


def workspace_for(user: Caller, slug: str) -> Workspace:
    """
    The workspace ``slug``, if ``user`` is a member of it.

    :raises NotFound: in the same words whether there is none or it is somebody else's.
    """
    if _is_person(user):
        found = Workspace.objects.visible_to(user).filter(slug=slug).first()
        if found is not None:
            return found
    raise NotFound("There is no such workspace.")


def permissions_of(user: Caller, workspace: Workspace) -> frozenset[str]:
    """What ``user`` may do in ``workspace``: nothing without a membership, whatever they are elsewhere."""
    if not _is_person(user):
        return NOTHING
    membership = Membership.objects.filter(workspace=workspace, user=user).first()
    return membership.permissions if membership else NOTHING


def require(user: Caller, workspace: Workspace, permission: str) -> None:
    """:raises Denied: unless the role of ``user`` in ``workspace`` has ``permission``."""
    if permission not in permissions_of(user, workspace):
        raise Denied("Your role in this workspace does not allow this.", details={"permission": permission})


def _is_person(user: Caller) -> TypeGuard[User]:
    return isinstance(user, User) and user.is_active
