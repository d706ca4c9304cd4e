"""The verifier, as tests ask it: every projection must equal its rebuild from the facts."""

from __future__ import annotations

from collections.abc import Sequence

from billing.entitlements.balances import verify


def assert_no_difference(subject_ids: Sequence[int] | None = None) -> None:
    """Fail, naming the rows, where a balance or an open lot (of some subjects) is not what the facts give."""
    differences = verify(subject_ids)
    assert not differences, "projections differ from the facts:\n" + "\n".join(str(each) for each in differences)
