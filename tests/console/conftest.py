"""Who looks at the console."""

import pytest
from django.test import Client

from tests.console.support import signed_in
from tests.factories import UserFactory


@pytest.fixture
def operator(db: None) -> Client:
    """A superuser's browser."""
    return signed_in(UserFactory(username="operator", is_staff=True, is_superuser=True))
