"""A port: whoever keeps wallets registers a reader; the core only shows what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class WalletBalance:
    """Money in a wallet, in minor units of ``currency``."""

    amount_minor: int
    currency: str


Reader = Callable[[int], WalletBalance | None]

_readers: list[Reader] = []


def register_reader(reader: Reader) -> None:
    """Let ``reader(entity_id)`` answer; the last one registered wins."""
    _readers.append(reader)


def read_balance(entity_id: int) -> WalletBalance | None:
    """The wallet of an entity, None where nobody keeps wallets or it has none."""
    return _readers[-1](entity_id) if _readers else None
