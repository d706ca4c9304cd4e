"""
Codes to definitions, kept in the process.

The cache is renewed when a definition changed: every locked balance row brings the definition's ``updated_at`` along, and
every read of limitations the newest one, so that a change in another process is seen by the next request.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.engine.types import EntitlementType, Rule, WindowAnchor
from billing.entitlements.capabilities import Capability, counter_of, limitations_in_use
from billing.errors import LimitNotConfigured
from billing.models import BillableEntity, Definition, Grant, ResourceSnapshot

#: Definitions the core itself uses: shown although no capability of an app maps to them.
CORE_PREFIXES = ("workspace.", "ai.tokens.", "feature.")


@dataclass(frozen=True, kw_only=True, slots=True)
class DefinitionInfo:
    """A definition as the engine keeps it."""

    id: int
    code: str
    name: str
    unit: str
    rule: Rule
    is_active: bool
    alert_thresholds: tuple[int, ...]
    updated_at: datetime

    @property
    def needs_anchor(self) -> bool:
        return self.rule.anchor is WindowAnchor.ANNIVERSARY

    @property
    def is_capacity(self) -> bool:
        return self.rule.type is EntitlementType.CAPACITY


class _Cache:
    """All definitions by code and by id; empty until first asked."""

    def __init__(self) -> None:
        self.by_code: dict[str, DefinitionInfo] = {}
        self.by_id: dict[int, DefinitionInfo] = {}

    def load(self) -> None:
        found = [_info(row) for row in Definition.objects.all()]
        self.by_code = {info.code: info for info in found}
        self.by_id = {info.id: info for info in found}

    @property
    def newest(self) -> datetime | None:
        return max((info.updated_at for info in self.by_id.values()), default=None)


_cache = _Cache()


def forget_definitions() -> None:
    """Read the definitions again at the next question."""
    _cache.by_code, _cache.by_id = {}, {}


def definition_of(code: str) -> DefinitionInfo:
    """
    The active definition of ``code``.

    :raises LimitNotConfigured: unknown or inactive, also after looking again.
    """
    info = _cache.by_code.get(code)
    if info is None or not info.is_active:
        _cache.load()
        info = _cache.by_code.get(code)
    if info is None or not info.is_active:
        raise not_configured(code)
    return info


def definition_by_id(definition_id: int) -> DefinitionInfo:
    """The definition of ``definition_id``, active or not; ``KeyError`` for an unknown one."""
    if definition_id not in _cache.by_id:
        _cache.load()
    return _cache.by_id[definition_id]


def renewed(info: DefinitionInfo, updated_at: datetime) -> DefinitionInfo:
    """``info``, or its successor when the database says it changed."""
    if updated_at == info.updated_at:
        return info
    _cache.load()
    return _cache.by_id[info.id]


def all_definitions(*, newest_at: datetime | None, count: int) -> list[DefinitionInfo]:
    """Every definition, read again when the newest change or the number differs from what the process keeps."""
    if _cache.newest != newest_at or len(_cache.by_id) != count:
        _cache.load()
    return list(_cache.by_id.values())


def is_dormant(info: DefinitionInfo, *, with_snapshot: Iterable[str] = ()) -> bool:
    """
    Whether nothing in this installation uses the definition: a capacity nobody counts, or a limit no capability maps to.
    """
    if info.is_capacity:
        return counter_of(info.code) is None and info.code not in with_snapshot
    return info.code not in limitations_in_use() and not info.code.startswith(CORE_PREFIXES)


def snapshot_codes(subject_id: int) -> dict[str, int]:
    """Counts of resources that are kept for the subject by snapshot: code -> count."""
    rows = ResourceSnapshot.objects.filter(subject_id=subject_id)
    return dict(rows.values_list("resource_code", "resource_count"))


def limitations_for(entity: BillableEntity, capability: Capability) -> Sequence[str]:
    """The limitations a capability uses for this subject."""
    if not capability.where_granted:
        return capability.limitations
    granted = set(
        Grant.objects.filter(subject=entity, definition__code__in=capability.limitations).values_list(
            "definition__code", flat=True
        )
    )
    return [code for code in capability.limitations if code in granted] or capability.limitations[:1]


def not_configured(code: str) -> LimitNotConfigured:
    """What a caller hears of a limit that is unknown, inactive or dormant."""
    return LimitNotConfigured(f"The limit “{code}” is not configured here.", details={"limitationCode": code})


def _info(row: Definition) -> DefinitionInfo:
    return DefinitionInfo(
        id=row.pk,
        code=row.code,
        name=row.name,
        unit=row.unit,
        rule=row.rule,
        is_active=row.is_active,
        alert_thresholds=tuple(row.alert_thresholds or ()),
        updated_at=row.updated_at,
    )
