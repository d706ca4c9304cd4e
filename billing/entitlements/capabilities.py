"""
What apps declared: capabilities (actions) mapped to limitations, and the counters of capacities.

One registry for the process, filled by the guests' ``limits.py`` while Django starts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from billing.errors import UndeclaredCapability
from billing.models import BillableEntity

Counter = Callable[[BillableEntity], int]

#: Codes and reasons are parts of keys, so they hold no colon.
CODE_PATTERN = re.compile(r"[a-z0-9][a-z0-9_.\-]{0,119}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Capability:
    """
    An action of an app. It uses ``amount`` units of every limitation, for ``reason``.

    With ``where_granted`` it uses only those limitations of which the subject was ever given something
    (and the first one where it was given none).
    """

    code: str
    limitations: tuple[str, ...]
    amount: int
    reason: str
    where_granted: bool = False


_capabilities: dict[str, Capability] = {}
_counters: dict[str, Counter] = {}


def declare(
    *, capability: str, limitation: str | tuple[str, ...], reason: str, amount: int = 1, where_granted: bool = False
) -> Capability:
    """
    Declare that ``capability`` uses ``amount`` units of ``limitation``. Declaring the same again changes nothing.

    :raises ValueError: a code breaks the pattern, or the capability was declared otherwise before.
    """
    limitations = (limitation,) if isinstance(limitation, str) else tuple(limitation)
    for code in (capability, reason, *limitations):
        if not CODE_PATTERN.fullmatch(code):
            raise ValueError(f"{code!r} is no code: lower-case letters, digits, '.', '_' and '-', at most 120")
    made = Capability(
        code=capability, limitations=limitations, amount=amount, reason=reason, where_granted=where_granted
    )
    if _capabilities.setdefault(capability, made) != made:
        raise ValueError(f"capability {capability!r} is declared twice, differently")
    return made


def declare_counter(limitation: str, counter: Counter) -> None:
    """Declare how many units of a capacity a subject holds: ``counter(entity)``, counted in the caller's transaction."""
    _counters[limitation] = counter


def capability_of(code: str) -> Capability:
    """
    The declared capability.

    :raises UndeclaredCapability: nobody declared it.
    """
    try:
        return _capabilities[code]
    except KeyError:
        raise UndeclaredCapability(f"capability {code!r} is not declared; declare it in the app's limits.py") from None


def find_capability(code: str) -> Capability | None:
    """The capability of that code, or None."""
    return _capabilities.get(code)


def counter_of(limitation: str) -> Counter | None:
    """The counter of a capacity, if an app declared one."""
    return _counters.get(limitation)


def limitations_in_use() -> frozenset[str]:
    """Codes of all limitations that some capability uses."""
    return frozenset(code for capability in _capabilities.values() for code in capability.limitations)
