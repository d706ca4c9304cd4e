"""``manage.py create_roles``: the groups that people of the console belong to."""

from typing import Any

from django.core.management.base import BaseCommand

from console.roles import create_roles


class Command(BaseCommand):
    help = "Create the groups support, billing-operator and catalog-editor, or mend their permissions. Members stay."

    def handle(self, *args: Any, **options: Any) -> None:
        for role, number in create_roles().items():
            self.stdout.write(f"{role.value}: {number} permissions")
