"""The report at the end of `make test`: it never claims what did not run."""

import shutil

import pytest

from tests import suite
from tests.suite import Part


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runs that pass at once, by name."""
    ran: list[str] = []

    def run(name: str, arguments: list[str], servers: dict[str, str]) -> Part:
        ran.append(name)
        return Part(name=name, passed=True, remark="0 s")

    monkeypatch.setattr(suite, "run", run)
    monkeypatch.setattr(shutil, "which", lambda command: f"/usr/bin/{command}")
    for variable in ("REQUIRE_SERVERS", "REQUIRE_BROWSER"):
        monkeypatch.delenv(variable, raising=False)
    return ran


def without_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "obstacle", lambda database, redis: "no MariaDB answers")


def test_both_parts_run_where_servers_answer(ran: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "obstacle", lambda database, redis: "")

    assert suite.main([]) == 0
    assert ran == ["SQLite", "MariaDB + Redis"]


def test_a_missing_server_is_said_and_forgiven(
    ran: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without_servers(monkeypatch)

    assert suite.main([]) == 0
    assert ran == ["SQLite"]
    assert "did not run  no MariaDB answers" in capsys.readouterr().out


def test_a_missing_server_fails_where_servers_are_required(ran: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    without_servers(monkeypatch)
    monkeypatch.setenv("REQUIRE_SERVERS", "1")

    assert suite.main([]) == 1


def test_a_missing_browser_is_said_and_forgiven_unless_it_is_required(
    ran: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(suite, "obstacle", lambda database, redis: "")
    monkeypatch.setattr(shutil, "which", lambda command: None)

    forgiven = suite.main([])
    monkeypatch.setenv("REQUIRE_BROWSER", "1")

    assert (forgiven, suite.main([])) == (0, 1)
    assert "did not run  no chromium: the stories were skipped" in capsys.readouterr().out


def test_a_failed_part_fails_the_whole(ran: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    without_servers(monkeypatch)
    monkeypatch.setattr(suite, "run", lambda *_: Part(name="SQLite", passed=False, remark="1 s"))

    assert suite.main([]) == 1


def test_nobody_listening_is_noticed() -> None:
    assert suite.obstacle("mysql://root@127.0.0.1:1/x", "redis://127.0.0.1:1") == (
        "no MariaDB answers (TEST_DATABASE_URL names one)"
    )
