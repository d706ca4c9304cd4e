"""What every test shares."""

import sys
import types
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker
from rest_framework.test import APIClient

# channels.testing imports daphne for a live server that nobody here starts.
for module in ("daphne", "daphne.testing"):
    sys.modules.setdefault(module, types.ModuleType(module))
sys.modules["daphne.testing"].DaphneProcess = None  # type: ignore[attr-defined]


@pytest.fixture
def api() -> APIClient:
    """A REST client that has not signed in and that checks CSRF as a browser would have to pass it."""
    return APIClient(enforce_csrf_checks=True)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Definitions come by migration: put them back whenever a test that commits has emptied the tables."""
    from django.apps import apps
    from django.db.models.signals import post_migrate

    from billing.models import Definition

    with django_db_blocker.unblock():
        migrated = list(Definition.objects.all())

    def put_back(**_: Any) -> None:
        known = set(Definition.objects.values_list("code", flat=True))
        Definition.objects.bulk_create(row for row in migrated if row.code not in known)

    post_migrate.connect(put_back, sender=apps.get_app_config("billing"), weak=False)


@pytest.fixture(autouse=True)
def _fresh_memory() -> None:
    """What a process remembers of definitions, the catalog and workspaces is not true of the next test's."""
    from billing.entitlements.announcements import forget_workspaces
    from billing.entitlements.resolvers import forget_definitions
    from billing.entitlements.unlock import forget_catalog

    forget_definitions()
    forget_catalog()
    forget_workspaces()


def pytest_report_header() -> str:
    """Name the database and the layer, so that a log says what it proved."""
    from django.conf import settings

    engine = settings.DATABASES["default"]["ENGINE"].rpartition(".")[2]
    return f"database: {engine}; channel layer: {'redis' if settings.REDIS_URL else 'memory'}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked ``server`` run where the database is a server."""
    from django.conf import settings

    if settings.DATABASES["default"]["ENGINE"].endswith("mysql"):
        return
    left_out = pytest.mark.skip(reason="needs MariaDB: set TEST_DATABASE_URL")
    for item in items:
        if item.get_closest_marker("server"):
            item.add_marker(left_out)
