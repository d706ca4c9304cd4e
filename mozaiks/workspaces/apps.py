"""Wires workspaces into Django: the checks of the house and the description of its tokens."""

from django.apps import AppConfig


class WorkspacesConfig(AppConfig):
    """Users, workspaces and memberships."""

    name = "mozaiks.workspaces"
    label = "workspaces"
    verbose_name = "Workspaces"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from mozaiks.kit import checks
        from mozaiks.workspaces import schema

        checks.register_all()
        schema.register()
