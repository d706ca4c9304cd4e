"""After every round of a worker the projections must say what the facts say."""

from collections.abc import Iterator

import pytest

from tests.entitlements.proof import assert_no_difference


@pytest.fixture(autouse=True)
def _no_drift(db: None) -> Iterator[None]:
    yield
    assert_no_difference()
