"""
Takes the pictures of the README: ``python docs/screenshots.py`` loads a fresh demo, serves it, and looks at it.

Needs chromium and nothing else: the browser is told what to do over its own DevTools socket. The demo lives in a folder
of its own and is gone afterwards.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

from websockets.sync.client import ClientConnection, connect

ROOT = Path(__file__).resolve().parents[1]
PASSWORD = "demo"  # noqa: S105 - that of everybody in the demo
IMAGES = ROOT / "docs" / "images"
PATIENCE_SECONDS = 30
SWITCHES = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
]
SIGN_IN = """
document.querySelector('[name=username]').value = {username};
document.querySelector('[name=password]').value = {password};
document.querySelector('main form').submit();
"""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """
    A page as somebody sees it, in a window of some size in pixels.

    ``steps`` are conditions and what is done as soon as they hold, as JavaScript; ``until`` has to hold in the end. ``after`` is
    what somebody did before, of which no picture is taken.
    """

    name: str
    path: str
    username: str = ""
    width: int = 1440
    height: int = 900
    steps: tuple[tuple[str, str], ...] = ()
    until: str = "true"
    after: Picture | None = None


OPERATION = "document.querySelector('#operations-limits-list_limitations')"
FIELD = OPERATION + ".querySelector('[data-param-name={name}] input')"
WORKSPACE = FIELD.format(name="x-workspace-slug")


def typed(name: str, text: str) -> str:
    """Type ``text`` into a parameter, and leave it: until then the page waits for more."""
    field = FIELD.format(name=name)
    return f"""
        Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call({field}, {json.dumps(text)});
        {field}.dispatchEvent(new Event('input', {{bubbles: true}}));
        {field}.dispatchEvent(new FocusEvent('focusout', {{bubbles: true}}));
    """


ANSWER = f"{OPERATION}.querySelector('.live-responses-table .microlight')"
SHOW_ANSWER = f"{OPERATION}.querySelector('.execute-wrapper, .btn-group').scrollIntoView(); {ANSWER}.scrollTop = 0"

BUY = "document.querySelector('form[action$=\"/billing/buy\"]:has([value=calculation_credits_100]) button')"
PAY = "document.querySelector('main form button[type=submit]')"
AT_THE_PROVIDER = "location.pathname.startsWith('/pretend/checkout/')"
PURCHASE = "document.querySelector('#result_list th a')"
#: The payment is on its way to us: the list is looked at until it is there.
ARRIVED = f"{PURCHASE} || (setTimeout(() => location.reload(), 400), false)"
REFUND = "document.querySelector('.mz-deeds a[href$=\"/refund/\"]')"
AMOUNT, WHY = "document.querySelector('[name=amount]')", "document.querySelector('[name=reason]')"
HALF = f"{AMOUNT}.value = '2.50'; {WHY}.value = 'Half of them failed.'; {AMOUNT}.form.submit()"
SEEN = "document.querySelector('main [role=status], #main [role=status]')"
CONFIRM = "document.querySelector('button[name=_confirmed]')"

BOUGHT = Picture(
    name="bought",
    path="/w/globex/billing",
    username="dana",
    steps=(
        (BUY, f"{BUY}.click()"),
        (f"{AT_THE_PROVIDER} && {PAY}", f"{PAY}.click()"),
    ),
    until="location.pathname.startsWith('/w/globex')",
)

PICTURES = (
    Picture(name="console", path="/admin/", username="operator", height=1000),
    Picture(
        name="customer",
        path="/admin/billing/billableentity/?q=globex",
        username="operator",
        height=1250,
        steps=(("true", "document.querySelector('#result_list th a').click()"),),
        until="location.pathname.endsWith('/change/')",
    ),
    Picture(
        name="workspace",
        path="/w/globex/billing",
        username="dana",
        width=1280,
        height=1150,
        until="document.querySelector('[data-live-page]').dataset.line === 'open'",
    ),
    Picture(
        name="purchase",
        path="/admin/billing/purchase/",
        username="operator",
        height=860,
        after=BOUGHT,
        steps=(
            (ARRIVED, f"{PURCHASE}.click()"),
            (REFUND, f"{REFUND}.click()"),
            (AMOUNT, HALF),
            (f"{SEEN} && {CONFIRM}", f"{CONFIRM}.click()"),
        ),
        until="location.pathname.endsWith('/change/') && document.querySelector('.mz-badge-warning')",
    ),
    Picture(
        name="limitations",
        path="/api/docs#/limits/list_limitations",
        username="dana",
        height=850,
        steps=(
            (
                f"{OPERATION} && {OPERATION}.querySelector('.try-out__btn')",
                f"{OPERATION}.querySelector('.try-out__btn').click()",
            ),
            (f"{WORKSPACE} && !{WORKSPACE}.disabled", typed("x-workspace-slug", "globex")),
            ("true", typed("codes", "annuity.calculations.monthly,projects.max")),
            (f"{OPERATION}.querySelector('.execute')", f"{OPERATION}.querySelector('.execute').click()"),
            (ANSWER, SHOW_ANSWER),
        ),
    ),
)


class Tab:
    """One tab of the browser, for somebody of their own."""

    def __init__(self, browser: ClientConnection, base: str) -> None:
        self.browser, self.base = browser, base
        self.number = 0
        self.session = ""
        context = self.ask("Target.createBrowserContext")["browserContextId"]
        target = self.ask("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.ask("Page.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        self.browser.send(json.dumps(message | ({"sessionId": self.session} if self.session else {})))
        while True:
            answer = json.loads(self.browser.recv(timeout=PATIENCE_SECONDS))
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result

    def open(self, path: str) -> None:
        self.ask("Page.navigate", url=f"{self.base}{path}")
        self.wait()

    def run(self, script: str) -> Any:
        return self.ask("Runtime.evaluate", expression=script, awaitPromise=True)["result"].get("value")

    def wait(self, condition: str = "true") -> None:
        """Until the page has loaded, its letters too, and ``condition`` holds in it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            time.sleep(0.3)
            if self.run(f"document.readyState === 'complete' && document.fonts.status === 'loaded' && !!({condition})"):
                return
        raise TimeoutError(f"the page never came to: {condition}")

    def sign_in(self, username: str) -> None:
        self.open("/login/")
        self.run(SIGN_IN.format(username=json.dumps(username), password=json.dumps(PASSWORD)))
        self.wait("!location.pathname.startsWith('/login')")

    def picture(self, path: Path, *, width: int, height: int) -> None:
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        time.sleep(0.5)
        shot = self.ask("Page.captureScreenshot", format="png")["data"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(shot))


@contextlib.contextmanager
def demo(folder: Path) -> Iterator[str]:
    """The address of a freshly loaded demo."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "DATABASE_URL": f"sqlite:///{folder / 'demo.sqlite3'}",
        "MOZAIKS_ENV_FILE": os.devnull,
        "MOZAIKS_ENFORCE_QUOTAS": "true",
        "DEBUG": "true",
        "REDIS_URL": "",
        "BILLING_FAKE_PROVIDER": "true",
    }
    for command in (["migrate", "--verbosity", "0"], ["load_demo"]):
        subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=environment, check=True)  # noqa: S603
    serve = [sys.executable, "manage.py", "serve", "--port", str(port)]
    with subprocess.Popen(serve, cwd=ROOT, env=environment) as server:  # noqa: S603
        try:
            wait_for(f"http://127.0.0.1:{port}/health")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def wait_for(url: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(URLError):
            urllib.request.urlopen(url, timeout=1).close()  # noqa: S310 - our own server
            return
        time.sleep(0.2)
    raise TimeoutError(f"{url} does not answer")


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[ClientConnection]:
    """A chromium that knows nobody."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        raise SystemExit("chromium is not there: apt-get install chromium")
    command = [found, *SWITCHES, f"--user-data-dir={folder}"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:  # noqa: S603
        try:
            with connect(_socket_of(folder), max_size=None) as connection:
                yield connection
        finally:
            process.terminate()


def _socket_of(folder: Path) -> str:
    """Chromium writes its port and path into its folder once it listens."""
    written = folder / "DevToolsActivePort"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if written.exists() and len(lines := written.read_text().split()) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(0.1)
    raise TimeoutError("chromium does not listen")


def visit(picture: Picture, connection: ClientConnection, base: str) -> Tab:
    """Somebody of their own goes where the picture is taken."""
    tab = Tab(connection, base)
    if picture.username:
        tab.sign_in(picture.username)
    tab.ask(
        "Emulation.setDeviceMetricsOverride",
        width=picture.width,
        height=picture.height,
        deviceScaleFactor=1,
        mobile=picture.width < 600,
    )
    tab.open(picture.path)
    for condition, script in picture.steps:
        tab.wait(condition)
        tab.run(script)
    tab.wait(picture.until)
    return tab


def take(pictures: tuple[Picture, ...], *, into: Path) -> None:
    """Take ``pictures`` of a demo of their own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with demo(folder) as base, browser(folder / "browser") as connection:
            for picture in pictures:
                if picture.after is not None:
                    visit(picture.after, connection, base)
                tab = visit(picture, connection, base)
                tab.picture(into / f"{picture.name}.png", width=picture.width, height=picture.height)
                print(into / f"{picture.name}.png")  # noqa: T201


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", metavar="PATH", help="take this one page instead, such as /login/")
    parser.add_argument("--as", dest="username", default="", help="signed in as this user of the demo")
    parser.add_argument("--width", type=int, default=1440)
    parser.add_argument("--height", type=int, default=900)
    parser.add_argument("--into", type=Path, default=IMAGES, help="folder the pictures go to")
    said = parser.parse_args()
    if said.page:
        one = Picture(
            name=said.page.strip("/").replace("/", "-") or "start",
            path=said.page,
            username=said.username,
            width=said.width,
            height=said.height,
        )
        take((one,), into=said.into)
        return
    take(PICTURES, into=said.into)


if __name__ == "__main__":
    main()
