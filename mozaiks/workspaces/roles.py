"""Roles and what they permit, in one table."""

from enum import StrEnum
from typing import Final

WORKSPACE_READ: Final = "workspace.read"
WORKSPACE_USE: Final = "workspace.use"
BILLING_MANAGE: Final = "workspace.billing.manage"
MEMBERS_MANAGE: Final = "workspace.members.manage"
PROJECTS_READ: Final = "projects.read"
PROJECTS_WRITE: Final = "projects.write"
ANNUITY_READ: Final = "annuity.read"
ANNUITY_USE: Final = "annuity.use"


class Role(StrEnum):
    """What a user is to a workspace."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"


READ = frozenset({WORKSPACE_READ, PROJECTS_READ, ANNUITY_READ})
USE = READ | {WORKSPACE_USE, PROJECTS_WRITE, ANNUITY_USE}
MANAGE = USE | {BILLING_MANAGE, MEMBERS_MANAGE}

ROLE_PERMISSIONS: Final[dict[Role, frozenset[str]]] = {
    Role.OWNER: MANAGE,
    Role.ADMIN: MANAGE,
    Role.MEMBER: USE,
    Role.VIEWER: READ,
}
