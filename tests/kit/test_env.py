"""Settings readers: what they take, and with which words they refuse."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from mozaiks.kit.databases import database_settings
from mozaiks.kit.env import BadSetting, Environment, parse_env_file


@pytest.mark.parametrize("value", ["1", "true", "YES", "on"])
def test_a_flag_knows_the_words_for_yes(value: str) -> None:
    assert Environment({"DEBUG": value}).flag("DEBUG", default=False) is True


@pytest.mark.parametrize("value", ["0", "false", "No", "off"])
def test_a_flag_knows_the_words_for_no(value: str) -> None:
    assert Environment({"DEBUG": value}).flag("DEBUG", default=True) is False


def test_an_empty_value_counts_as_absent() -> None:
    env = Environment({"PORT": "  "})

    assert env.integer("PORT", 8000) == 8000
    assert not env.has("PORT")


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("maybe", lambda env: env.flag("NAME", default=True)),
        ("eight", lambda env: env.integer("NAME", 1)),
        ("0", lambda env: env.integer("NAME", 1, least=1)),
        ("70000", lambda env: env.integer("NAME", 1, most=65_535)),
        ("cloud", lambda env: env.choice("NAME", "a", among=("a", "b"))),
        ("ftp://example.org", lambda env: env.url("NAME", schemes=("redis",))),
        ("redis://host:port", lambda env: env.url("NAME", schemes=("redis",))),
        ("example.org", lambda env: env.origins("NAME")),
        ("https://example.org/path", lambda env: env.origins("NAME")),
        ("10.0.0.0/99", lambda env: env.networks("NAME")),
    ],
)
def test_nonsense_is_refused_with_its_name_and_itself(value: str, read: Callable[[Environment], object]) -> None:
    with pytest.raises(BadSetting) as refused:
        read(Environment({"NAME": value}))

    assert "NAME" in str(refused.value)
    assert value in str(refused.value)


def test_a_bad_secret_is_not_repeated() -> None:
    with pytest.raises(BadSetting) as refused:
        Environment({"INTERNAL_API_KEY": "good, b ad"}).secrets("INTERNAL_API_KEY")

    assert "b ad" not in str(refused.value)
    assert "INTERNAL_API_KEY" in str(refused.value)


def test_a_password_in_a_bad_url_is_not_repeated() -> None:
    with pytest.raises(BadSetting) as refused:
        Environment({"DATABASE_URL": "oracle://me:hunter2@host/db"}).url("DATABASE_URL", schemes=("mysql",))

    assert "hunter2" not in str(refused.value)


def test_lists_drop_blanks() -> None:
    assert Environment({"HOSTS": "a, b,,c ,"}).words("HOSTS") == ["a", "b", "c"]


def test_networks_take_single_addresses_too() -> None:
    first, second = Environment({"NETS": "127.0.0.1, 10.0.0.0/8"}).networks("NETS")

    assert first.num_addresses == 1
    assert second.prefixlen == 8


def test_the_file_may_have_comments_quotes_and_export() -> None:
    values = parse_env_file("# head\nexport A=1\nB='x # y'\nC=z # why\nD=  # nothing\n\n")

    assert values == {"A": "1", "B": "x # y", "C": "z", "D": ""}


def test_a_line_that_is_none_is_refused_by_its_number() -> None:
    with pytest.raises(ImproperlyConfigured, match="line 2"):
        parse_env_file("A=1\nwhat is this\n")


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("A=file\nB=file\nC=file\n", encoding="utf-8")

    env = Environment.load(file, process={"A": "process", "C": ""})

    assert [env.text(name, "default") for name in "ABC"] == ["process", "file", "default"]


def test_sqlite_takes_the_write_lock_at_once() -> None:
    settings = database_settings("sqlite:////tmp/here.sqlite3")

    assert settings["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert settings["TEST"]["NAME"] == "/tmp/test-here.sqlite3"


@pytest.mark.parametrize("scheme", ["mysql", "mariadb"])
def test_mysql_reads_what_is_committed_and_cuts_nothing(scheme: str) -> None:
    settings = database_settings(f"{scheme}://me:secret@host:3307/books")

    assert settings["ENGINE"] == "mozaiks.kit.mysql"
    assert settings["OPTIONS"]["isolation_level"] == "read committed"
    assert settings["OPTIONS"]["sql_mode"] == "TRADITIONAL"
    assert settings["TEST"]["COLLATION"] == "utf8mb4_bin"
    assert settings["ATOMIC_REQUESTS"] is False


@pytest.mark.parametrize("url", ["sqlite://:memory:", "mysql://host/"])
def test_a_database_needs_a_name(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL"):
        database_settings(url)
