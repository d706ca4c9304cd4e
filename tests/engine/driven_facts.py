"""What the driven engine keeps in place of tables: uses with their shares, and holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from billing.engine.types import Share, Window


class NotAllowed(Exception):
    """The engine's numbers do not allow it."""


@dataclass(kw_only=True)
class Booked:
    """A use: its overage as it was recorded, and every share of it, negative where it was taken back."""

    amount: int
    overage: int
    occurred_at: datetime
    window: Window
    shares: list[Share] = field(default_factory=list)
    reversed_amount: int = 0
    reversed_overage: int = 0

    @property
    def net(self) -> int:
        return self.amount - self.reversed_amount

    @property
    def net_overage(self) -> int:
        return self.overage - self.reversed_overage


@dataclass(kw_only=True)
class SetAside:
    rest: int
    expires_at: datetime
    closed: bool = False
