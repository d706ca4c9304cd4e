"""Workspaces: people, what they belong to, and the tokens of their programs; written by the rules of ``mozaiks.workspaces``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelect
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from console.admin.base import Lookup, ModelAdmin, Table, Told, button, link
from console.admin.membership import MembershipInline
from console.admin.operations import OperationPage, page
from mozaiks.kit import clock
from mozaiks.workspaces import creation, tokens
from mozaiks.workspaces.models import ApiToken, Membership, User, Workspace

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Any]
    BaseUserAdmin = DjangoUserAdmin[Any]
else:
    ModelForm = forms.ModelForm
    BaseUserAdmin = DjangoUserAdmin

#: What gives a user power over the console; only a superuser hands it out.
POWERS = ("is_staff", "is_superuser", "groups", "user_permissions")


class NewWorkspaceForm(ModelForm):
    """A workspace and its first owner."""

    owner = forms.ModelChoiceField(User.objects.filter(is_active=True))

    class Meta:
        model = Workspace
        fields = ("name", "slug", "owner")


@admin.register(Workspace)
class WorkspaceAdmin(Told, Table):
    """Workspaces. They are made with an owner; their slug stays, since addresses and programs name it."""

    list_display = ("id", "name", "slug", "created_at")
    search_fields = ("^slug", "^name")
    inlines = (MembershipInline,)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("name", "slug", "owner") if obj is None else ("name", "slug", "created_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if obj is None else ("slug", "created_at")

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj is None else self.inlines

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is not None:
            return super().get_form(request, obj, change=change, **kwargs)
        form = super().get_form(request, obj, change=change, **{"form": NewWorkspaceForm, **kwargs})
        form.base_fields["owner"].widget = AutocompleteSelect(Membership._meta.get_field("user"), self.admin_site)
        return form

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What a workspace was billed for stays."""
        return False

    def save_model(self, request: HttpRequest, obj: Workspace, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        created = creation.create_workspace(
            name=obj.name, slug=obj.slug, owner=form.cleaned_data["owner"], now=clock.now()
        )
        obj.pk, obj.created_at = created.pk, created.created_at


@admin.register(Membership)
class MembershipAdmin(Lookup):
    """Who belongs where, to look through; changed on the page of the workspace."""

    list_display = ("id", "of_workspace", "of_user", "role", "created_at")
    list_filter = ("role",)
    list_prefetch_related = ("workspace", "user")
    search_help_text = "Workspace, or username"

    def matching(self, word: str) -> Q:
        """Each name by its own index; then the members of what was found."""
        workspaces = list(Workspace.objects.filter(slug=word).values_list("pk", flat=True))
        users = list(User.objects.filter(username=word).values_list("pk", flat=True))
        return Q(workspace__in=workspaces) | Q(user__in=users)

    @admin.display(description="Workspace")
    def of_workspace(self, row: Membership) -> str:
        return link(row.workspace)

    @admin.display(description="User")
    def of_user(self, row: Membership) -> str:
        return link(row.user)


@admin.register(User)
class UserAdmin(BaseUserAdmin, Told, Table):
    """People. Nobody is deleted: who may not come in any more is made inactive."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("^username", "^email")
    ordering = ("-pk",)
    readonly_fields = ("last_login", "date_joined")
    add_fieldsets = ((None, {"fields": ("username", "email", "usable_password", "password1", "password2")}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.readonly_fields if _is_superuser(request) else (*self.readonly_fields, *POWERS)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever could change the password of somebody with power would have it."""
        allowed = super().has_change_permission(request, obj)
        powerful = obj is not None and (obj.is_staff or obj.is_superuser)
        return allowed and (not powerful or _is_superuser(request))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        said = form.cleaned_data
        created = creation.create_user(
            username=said["username"],
            email=said.get("email", ""),
            password=said["password1"] if said["set_usable_password"] else None,
            now=clock.now(),
        )
        obj.pk = created.pk
        obj.refresh_from_db()


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    """Groups of permissions. Only superusers change them: a group is power over the console."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_superuser(request)


class NewTokenForm(ModelForm):
    """A token for somebody's program."""

    class Meta:
        model = ApiToken
        fields = ("user", "name", "expires_at")

    def clean_expires_at(self) -> Any:
        expires_at = self.cleaned_data["expires_at"]
        if expires_at is not None and expires_at <= clock.now():
            raise forms.ValidationError("Choose a time in the future.")
        return expires_at


@admin.register(ApiToken)
class ApiTokenAdmin(Told, Table):
    """Tokens of programs. The secret is shown once, when it is made; of the secret only a digest is kept."""

    form = NewTokenForm
    list_display = ("prefix", "name", "of_user", "created_at", "last_used_at", "expires_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    list_prefetch_related = ("user",)
    search_fields = ("^prefix", "^user__username")
    autocomplete_fields = ("user",)
    actions = ("revoke_chosen",)
    actions_detail = ("revoke",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        made = ("user", "name", "expires_at")
        return made if obj is None else (*made, "prefix", "created_at", "last_used_at", "revoked_at")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A revoked token stays, so that what it did can be told."""
        return False

    def has_revoke_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("workspaces.change_apitoken")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A token acts as its user: only a superuser makes one for a superuser or for staff."""
        if db_field.name == "user" and not _is_superuser(request):
            kwargs["queryset"] = User.objects.filter(is_superuser=False, is_staff=False)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        token, secret = tokens.issue(obj.user, name=obj.name, now=clock.now(), expires_at=obj.expires_at)
        obj.pk = token.pk
        obj.refresh_from_db()
        self.message_user(request, f"Copy the token now, it is not shown again: {secret}", messages.WARNING)

    @admin.display(description="User")
    def of_user(self, token: ApiToken) -> str:
        return link(token.user)

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke_chosen(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        now = clock.now()
        chosen = list(queryset)
        for token in chosen:
            tokens.revoke(token, now=now)
            self.log_change(request, token, "Revoked.")
        self.message_user(request, f"Revoked: {len(chosen)}.")

    @button(text="Revoke", path="revoke", permission="revoke", icon="block")
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return page(RevokeToken, self, request, object_id)


class RevokeToken(OperationPage):
    """Shut a token out."""

    title = "Revoke token"
    form_class = forms.Form
    row: ApiToken

    def act(self, said: dict[str, Any]) -> str:
        tokens.revoke(self.row, now=clock.now())
        return f"{self.row} opens nothing any more."


def _is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_active and getattr(request.user, "is_superuser", False))
