"""Creates users and workspaces, and tells whoever listens, in the same transaction."""

import re
from datetime import datetime

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from mozaiks.kit.errors import Conflict, Invalid
from mozaiks.kit.listeners import Listeners
from mozaiks.workspaces.models import SLUG_PATTERN, SLUG_RULE, Membership, User, Workspace
from mozaiks.workspaces.roles import Role

workspace_created: Listeners[Workspace, datetime] = Listeners()
user_created: Listeners[User, datetime] = Listeners()

on_workspace_created = workspace_created.register
on_user_created = user_created.register

NAME_LENGTH = 160


def create_workspace(*, name: str, slug: str, owner: User, now: datetime) -> Workspace:
    """
    Open a workspace with its first owner; listeners give it what every workspace starts with.

    Joins the caller's transaction where there is one. All of it happens or nothing.

    :raises Invalid: for an empty or long name, or a slug that is none.
    :raises Conflict: when the slug is taken.
    """
    name = name.strip()
    if not 1 <= len(name) <= NAME_LENGTH:
        raise Invalid("The name is not usable.", field_errors={"name": [f"Use 1 to {NAME_LENGTH} characters."]})
    if not re.fullmatch(SLUG_PATTERN, slug):
        raise Invalid("The slug is not usable.", field_errors={"slug": [SLUG_RULE]})
    with transaction.atomic():
        workspace = _insert_workspace(Workspace(name=name, slug=slug, created_at=now))
        Membership.objects.create(workspace=workspace, user=owner, role=Role.OWNER, created_at=now)
        workspace_created.tell(workspace, now)
    return workspace


def _insert_workspace(workspace: Workspace) -> Workspace:
    if Workspace.objects.filter(slug=workspace.slug).exists():
        raise _slug_taken()
    try:
        with transaction.atomic():
            workspace.save(force_insert=True)
    except IntegrityError as error:
        raise _slug_taken() from error
    return workspace


def _slug_taken() -> Conflict:
    sentence = "Another workspace has this slug."
    return Conflict(sentence, code="SLUG_TAKEN", field_errors={"slug": [sentence]})


def create_user(
    *,
    username: str,
    email: str,
    password: str | None,
    now: datetime,
    is_staff: bool = False,
    is_superuser: bool = False,
) -> User:
    """
    Open a user's account; without a password they can only come in by a token.

    :raises Invalid: for an empty username or an address that is none.
    :raises Conflict: when the username is taken.
    """
    _require_usable(username, email)
    user = User(
        username=User.normalize_username(username),
        email=User.objects.normalize_email(email),
        is_staff=is_staff,
        is_superuser=is_superuser,
        date_joined=now,
    )
    user.set_password(password)
    with transaction.atomic():
        _insert_user(user)
        user_created.tell(user, now)
    return user


def _require_usable(username: str, email: str) -> None:
    field_errors: dict[str, list[str]] = {}
    for field, validators, value in (
        ("username", User._meta.get_field("username").validators, username),
        ("email", [validate_email] if email else [], email),
    ):
        for validate in validators:
            try:
                validate(value)
            except ValidationError as error:
                field_errors.setdefault(field, []).extend(error.messages)
    if not username:
        field_errors["username"] = ["A user needs a name."]
    if field_errors:
        raise Invalid("This user cannot be created.", field_errors=field_errors)


def _insert_user(user: User) -> None:
    taken = "Another user has this name."
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict(taken, code="USERNAME_TAKEN", field_errors={"username": [taken]}) from error
