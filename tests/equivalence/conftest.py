"""Limits that exist while these tests run."""

import pytest

from tests.equivalence.guest import declare_limits


@pytest.fixture(autouse=True)
def _limits(monkeypatch: pytest.MonkeyPatch) -> None:
    declare_limits(monkeypatch)
