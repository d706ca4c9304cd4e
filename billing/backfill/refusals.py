"""What stops a step before it writes anything: rows, and the rules they break."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from billing.catalog.problems import CatalogInvalid
from mozaiks.kit.errors import Invalid

#: Rows of one kind that are named; the rest is counted.
MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row that cannot be brought over, and why."""

    row: str
    rule: str

    def __str__(self) -> str:
        return f"{self.row}: {self.rule}"


class BackfillRefused(Invalid):
    """A step that wrote nothing, with everything that is in its way."""

    default_code = "BACKFILL_REFUSED"

    def __init__(self, step: str, refusals: Iterable[Refusal]) -> None:
        self.step = step
        self.refusals = tuple(refusals)
        super().__init__(f"{step} wrote nothing: {len(self.refusals)} rows break a rule")

    def __str__(self) -> str:
        return "\n".join([f"{self.message}:", *(f"  {refusal}" for refusal in self.refusals)])


def refusals_of(row: str, refused: CatalogInvalid) -> list[Refusal]:
    """What authoring found wrong with the JSON of ``row``, each with its path."""
    return [Refusal(row, str(error)) for error in refused.errors]


def refuse_if_any(step: str, refusals: Iterable[Refusal]) -> None:
    """:raises BackfillRefused: with all of them."""
    found = list(refusals)
    if found:
        raise BackfillRefused(step, found)
