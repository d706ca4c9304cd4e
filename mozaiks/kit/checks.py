"""
System checks of the house: what would make decisions wrong or secrets weak refuses to start.

``manage.py check`` names them; :func:`refuse_unsafe_start` makes the servers, which run no checks, do the same. Other rooms put
their own under :data:`TAG`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

TAG = "mozaiks"
MODES = ("self-hosted", "platform")
LEAST_SECRET_LENGTH = 50
LEAST_SECRET_VARIETY = 5
LEAST_KEY_LENGTH = 16

Apps = Sequence[AppConfig] | None
Messages = list[checks.CheckMessage]


def check_mode(app_configs: Apps, **kwargs: Any) -> Messages:
    if settings.MOZAIKS_MODE in MODES:
        return []
    sentence = f"MOZAIKS_MODE is {settings.MOZAIKS_MODE!r}; known are {' and '.join(MODES)}."
    return [checks.Error(sentence, id="mozaiks.E001")]


def check_secret_key(app_configs: Apps, **kwargs: Any) -> Messages:
    """Whoever guesses the key signs sessions of their own."""
    if settings.DEBUG:
        return []
    key = settings.SECRET_KEY
    weak = len(key) < LEAST_SECRET_LENGTH or len(set(key)) < LEAST_SECRET_VARIETY
    if weak or key.startswith(("django-insecure-", "development-only-", "change-me")):
        hint = 'python -c "import secrets; print(secrets.token_urlsafe(50))"'
        return [checks.Error("SECRET_KEY is weak or a published one.", hint=hint, id="mozaiks.E002")]
    return []


def check_hosts(app_configs: Apps, **kwargs: Any) -> Messages:
    if settings.DEBUG or "*" not in settings.ALLOWED_HOSTS:
        return []
    return [checks.Error("ALLOWED_HOSTS has a wildcard while DEBUG is off.", id="mozaiks.E003")]


def check_keys(app_configs: Apps, **kwargs: Any) -> Messages:
    """Keys of machines are guessed by machines."""
    if settings.DEBUG:
        return []
    return [
        checks.Error(f"{name} has a key of fewer than {LEAST_KEY_LENGTH} characters.", id="mozaiks.E004")
        for name in ("INTERNAL_API_KEY", "MOZAIKS_ALLOWED_SERVICE_KEYS")
        if any(len(key) < LEAST_KEY_LENGTH for key in getattr(settings, name))
    ]


def check_database_settings(app_configs: Apps, **kwargs: Any) -> Messages:
    """What the settings say about transactions, without connecting."""
    found: Messages = []
    for alias, database in settings.DATABASES.items():
        options = database.get("OPTIONS", {})
        if database["ENGINE"].endswith("mysql"):
            found += _mysql_settings(alias, options)
        if database["ENGINE"].endswith("sqlite3"):
            found += _sqlite_settings(alias, options)
        if database.get("ATOMIC_REQUESTS"):
            sentence = f"Database {alias!r}: ATOMIC_REQUESTS would open a transaction nobody can run again."
            found.append(checks.Error(sentence, id="mozaiks.E013"))
    return found


def _mysql_settings(alias: str, options: dict[str, Any]) -> Iterable[checks.CheckMessage]:
    level = str(options.get("isolation_level"))
    if level.lower() not in {"read committed", "serializable"}:
        sentence = f"Database {alias!r}: isolation level {level!r} lets a count after the lock read an old snapshot."
        yield checks.Error(sentence, hint='Use "read committed".', id="mozaiks.E010")


def _sqlite_settings(alias: str, options: dict[str, Any]) -> Iterable[checks.CheckMessage]:
    mode = str(options.get("transaction_mode"))
    if mode.upper() not in {"IMMEDIATE", "EXCLUSIVE"}:
        sentence = f"Database {alias!r}: transaction mode {mode!r} lets two writers read the same balance."
        yield checks.Error(sentence, hint='Use "IMMEDIATE".', id="mozaiks.E011")


def check_database_server(app_configs: Apps, *, databases: Sequence[str] | None = None, **kwargs: Any) -> Messages:
    """What the server really does; runs where the database is at hand: ``migrate``, ``check --database default``."""
    found: Messages = []
    for alias in databases or ():
        vendor = connections[alias].vendor
        if vendor == "mysql":
            found += _mysql_server(alias)
        if vendor == "sqlite":
            found += _sqlite_file(alias)
    return found


def _mysql_server(alias: str) -> Iterable[checks.CheckMessage]:
    mariadb = getattr(connections[alias], "mysql_is_mariadb", False)
    variable = "@@tx_isolation" if mariadb else "@@transaction_isolation"
    with connections[alias].cursor() as cursor:
        cursor.execute(f"SELECT {variable}, @@sql_mode, @@collation_database")
        isolation, sql_mode, collation = cursor.fetchone()
    if isolation not in {"READ-COMMITTED", "SERIALIZABLE"}:
        yield checks.Error(f"Database {alias!r}: the server runs {isolation}.", id="mozaiks.E010")
    if "STRICT_" not in sql_mode:
        yield checks.Error(f"Database {alias!r}: without strict mode values are cut silently.", id="mozaiks.E012")
    if collation != "utf8mb4_bin":
        sentence = f"Database {alias!r}: collation {collation}; keys that differ in case may count as one."
        hint = "CREATE DATABASE … CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        yield checks.Error(sentence, hint=hint, id="mozaiks.E014")


def _sqlite_file(alias: str) -> Iterable[checks.CheckMessage]:
    with connections[alias].cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        (mode,) = cursor.fetchone()
    if mode.lower() != "wal":
        sentence = f"Database {alias!r}: journal mode {mode!r}; readers would block writers."
        yield checks.Error(sentence, id="mozaiks.E012")


ALWAYS = (check_mode, check_secret_key, check_hosts, check_keys, check_database_settings)


def register_all() -> None:
    """Make Django run them; called once, when the lowest app is ready."""
    for check in ALWAYS:
        checks.register(check, TAG)
    checks.register(check_database_server, checks.Tags.database)


def refuse_unsafe_start() -> None:
    """:raises ImproperlyConfigured: with every error of the checks under our tag, which need no database."""
    errors = [message for message in checks.run_checks(tags=[TAG]) if message.is_serious()]
    if errors:
        raise ImproperlyConfigured("; ".join(f"{error.id}: {error.msg}" for error in errors))
