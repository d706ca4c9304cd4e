"""The process the crowds are forked from, and the verifier after every test."""

from collections.abc import Iterator

import pytest

from tests.concurrency.crowd import server_of_forks
from tests.entitlements.proof import assert_no_difference


@pytest.fixture(scope="session")
def _forks(django_db_setup: None) -> Iterator[None]:
    with server_of_forks():
        yield


@pytest.fixture(autouse=True)
def _no_drift(request: pytest.FixtureRequest, transactional_db: None, _forks: None) -> Iterator[None]:
    yield
    if request.node.get_closest_marker("broken_on_purpose") is None:
        assert_no_difference()
