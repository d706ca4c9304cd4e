"""
How long it is until what one browser does is seen in another: ``python -m tests.benchmarks.live``.

A whole site is served as `make run` serves it. One window archives a project and brings it back; in another the page of billing
is open. Measured is the time between the request and the moment the other page's number has changed, by the clock of the machine
both run on: the commit lies in between, so that commit to browser is less. ``TEST_DATABASE_URL`` and ``TEST_REDIS_URL`` put real
servers behind the site (an empty database, named in the first); ``--servers 2`` gives each browser a process of its own.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import median, quantiles

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from playwright.sync_api import Page, expect, sync_playwright  # noqa: E402

from tests.browser.conftest import FLAGS  # noqa: E402
from tests.browser.site import PASSWORD, served  # noqa: E402

MUST_MS = 250
WATCH = """
() => {
  window.seen = [];
  const used = () => document.querySelector('[data-limit="projects.max"] [data-used]').textContent;
  let before = used();
  new MutationObserver(() => {
    if (used() === before) return;
    before = used();
    window.seen.push(performance.timeOrigin + performance.now());
  }).observe(document.querySelector("#part-limits"), { subtree: true, childList: true, characterData: true });
}
"""
ACT = """
async ({ team, samples }) => {
  const { WorkspaceBilling } = await import("/static/billing/limitations.js");
  const billing = new WorkspaceBilling({ workspaceSlug: team });
  const rest = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
  const now = () => performance.timeOrigin + performance.now();
  const { id } = await billing.mutate("/api/workspace/projects", { body: { name: "To and fro" } });
  await rest(1000);
  const times = [];
  for (let number = 0; number < samples; number += 1) {
    const status = number % 2 ? "draft" : "archived";
    const sent = now();
    await billing.mutate(`/api/workspace/projects/${id}`, { method: "PATCH", body: { status } });
    times.push([sent, now()]);
    await rest(400);
  }
  return times;
}
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.live", description=__doc__)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument(
        "--servers", type=int, default=1, help="processes that serve; the browsers are at the first and the last"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        database = os.environ.get("TEST_DATABASE_URL", f"sqlite:///{Path(name) / 'site.sqlite3'}")
        with served(Path(name), database, servers=given.servers) as site, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
            team = site.team()
            alice = enter(browser.new_page(base_url=site.urls[0]), "alice", "/")
            bob = enter(browser.new_page(base_url=site.urls[-1]), "bob", f"/w/{team}/billing")
            expect(bob.locator("[data-live-page]")).to_have_attribute("data-line", "open")
            bob.wait_for_timeout(1000)
            bob.evaluate(WATCH)
            times = alice.evaluate(ACT, {"team": team, "samples": given.samples})
            seen = bob.evaluate("window.seen")
            browser.close()
    return report(times, seen[1:])


def enter(page: Page, name: str, path: str) -> Page:
    page.goto(f"/login/?next={path}")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**{path}")
    return page


def report(times: list[list[float]], seen: list[float]) -> int:
    """Print the figures; 1 where the slowest twentieth is too slow, or something was never seen."""
    if len(seen) != len(times):
        print(f"{len(times)} changes were made and {len(seen)} were seen")
        return 1
    from_request = [at - sent for (sent, _), at in zip(times, seen, strict=True)]
    from_answer = [max(0.0, at - answered) for (_, answered), at in zip(times, seen, strict=True)]
    for what, values in (("from the request", from_request), ("from its answer", from_answer)):
        p95 = quantiles(values, n=20)[-1]
        print(f"{what:<18} median {median(values):6.1f} ms   p95 {p95:6.1f} ms   slowest {max(values):6.1f} ms")
    return int(quantiles(from_request, n=20)[-1] > MUST_MS)


if __name__ == "__main__":
    sys.exit(main())
