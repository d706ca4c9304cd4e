"""The tables of users, workspaces, memberships and access tokens."""

from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.contrib.auth.models import AbstractUser
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q

from mozaiks.workspaces.roles import ROLE_PERMISSIONS, Role

if TYPE_CHECKING:
    from django_stubs_ext.db.models.manager import RelatedManager

SLUG_PATTERN = r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z"
SLUG_RULE = "Use 1 to 63 lower-case letters, digits and hyphens, with a letter or digit at both ends."


class User(AbstractUser):
    """Somebody who can sign in."""

    memberships: "RelatedManager[Membership]"
    api_tokens: "RelatedManager[ApiToken]"

    class Meta:
        db_table = "workspaces_user"


class WorkspaceQuerySet(models.QuerySet["Workspace"]):
    def visible_to(self, user: User) -> Self:
        """Workspaces ``user`` is a member of."""
        return self.filter(memberships__user=user)


class Workspace(models.Model):
    """A tenant: what belongs to one belongs to no other."""

    name = models.CharField(max_length=160)
    slug = models.CharField(max_length=63, validators=[RegexValidator(SLUG_PATTERN, SLUG_RULE)])
    created_at = models.DateTimeField()

    memberships: "RelatedManager[Membership]"

    objects = WorkspaceQuerySet.as_manager()

    class Meta:
        db_table = "workspaces_workspace"
        constraints = [models.UniqueConstraint(fields=["slug"], name="workspaces_workspace_slug_uniq")]

    def __str__(self) -> str:
        return self.name


class MembershipQuerySet(models.QuerySet["Membership"]):
    def owners_of(self, workspace: Workspace) -> Self:
        return self.filter(workspace=workspace, role=Role.OWNER)


class Membership(models.Model):
    """What a user is to a workspace."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=[(role.value, role.value.capitalize()) for role in Role])
    created_at = models.DateTimeField()

    objects = MembershipQuerySet.as_manager()

    class Meta:
        db_table = "workspaces_membership"
        constraints = [
            models.UniqueConstraint(fields=["workspace", "user"], name="workspaces_membership_pair_uniq"),
            models.CheckConstraint(
                condition=Q(role__in=[role.value for role in Role]), name="workspaces_membership_role_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} is {self.role} of {self.workspace_id}"

    @property
    def permissions(self) -> frozenset[str]:
        return ROLE_PERMISSIONS[Role(self.role)]


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def usable_at(self, now: datetime) -> Self:
        """Neither revoked nor expired, and of a user who may still sign in."""
        return self.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now), revoked_at=None, user__is_active=True)


class ApiToken(models.Model):
    """A program's way in, in its user's name. The secret itself is not kept, only its SHA-256."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=120)
    prefix = models.CharField(max_length=16)
    digest = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        db_table = "workspaces_api_token"
        constraints = [
            models.UniqueConstraint(fields=["digest"], name="workspaces_api_token_digest_uniq"),
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(expires_at__gt=F("created_at")),
                name="workspaces_api_token_expires_later",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
