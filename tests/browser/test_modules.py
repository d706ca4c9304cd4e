"""The two modules for people who build a front end of their own, in a page of their own."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.site import Site, needs_guests
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser

EVENT = {"eventType": "workspace.billing.limits.updated", "sourceClientId": "other", "commandId": "c"}


@pytest.fixture
def page(people: Visitor, site: Site) -> Page:
    """A page of this site that loads none of our scripts, with somebody signed in."""
    found: Page = people.come_in("alice", "/")
    found.evaluate("(team) => { window.team = team; }", site.team())
    return found


SETTING = """
async (argument) => {
  const limitations = await import("/static/billing/limitations.js");
  const realtime = await import("/static/realtime/socket.js");
  const asked = [];
  const counting = (url, init) => {
    asked.push(`${init.method ?? "GET"} ${url}`);
    return fetch(url, init);
  };
  const billing = new limitations.WorkspaceBilling({ workspaceSlug: window.team, clientId: "me", fetch: counting });
  %s
}
"""
CREATE = 'const create = (name) => billing.mutate("/api/workspace/projects", { body: { name } });'


def run(page: Page, script: str, argument: Any = None) -> Any:
    """What ``script`` returns, run in the page with both modules, the team's ``billing``, and what it has ``asked``."""
    return page.evaluate(SETTING % script, argument)


def test_what_a_change_can_have_made_untrue_and_how_often_is_looked_without_one(page: Page) -> None:
    script = """
      const scope = { workspaceSlug: "acme" };
      return [limitations.POLL_SECONDS, argument.map((source) => limitations.keysInvalidatedBy(scope, source))];
    """
    limits, plan, purchases = (
        ["workspaces", "acme", "billing", kind] for kind in ("limitations", "planState", "purchases")
    )
    untrue = {
        "consumption": [limits],
        "boundary_recompute": [limits],
        "manual_refresh": [limits],
        "plan_grant": [limits, plan],
        "purchase_grant": [limits, plan, purchases],
        "not yet invented": [limits, plan, purchases],
    }

    assert run(page, script, list(untrue)) == [30, list(untrue.values())]


@needs_guests
def test_limits_are_read_once_until_something_changes(page: Page) -> None:
    script = """
      const [first, second] = await Promise.all([billing.limitations(), billing.limitations()]);
      await billing.limitations();
      const before = asked.length;
      await billing.invalidate({ changeSource: "consumption" });
      const third = await billing.limitations();
      return { same: first === second, kept: third === first, before, after: asked.length,
        codes: first.limitations.map((limit) => limit.code) };
    """

    found = run(page, script)

    assert "projects.max" in found["codes"]
    # The third answer is a 304: nothing had changed, so what is known is given again.
    assert (found["same"], found["kept"], found["before"], found["after"]) == (True, True, 1, 2)


@needs_guests
def test_a_mutation_is_sent_with_key_and_client_and_read_again_at_once(page: Page) -> None:
    script = f"""
      {CREATE}
      const used = [];
      const told = new Promise((done) => billing.watch(limitations.workspaceBillingLimitationsQueryKey(billing.scope),
        (value) => {{ used.push(value.limitations.find((limit) => limit.code === "projects.max").consumedAmount);
          if (used.at(-1) === 1) done(); }}));
      await billing.limitations();
      const made = await create("Apollo");
      await told;
      return {{ name: made.name, used }};
    """

    assert run(page, script) == {"name": "Apollo", "used": [0, 1]}


@needs_guests
def test_a_refusal_brings_the_sentence_and_what_would_help(page: Page, people: Visitor) -> None:
    people.expects("status of 409")
    script = f"""
      {CREATE}
      for (const name of ["a", "b", "c"]) await create(name);
      try {{ await create("d"); }} catch (problem) {{
        const {{ message, code, status, details }} = problem;
        const known = problem instanceof limitations.ApiProblem;
        return {{ said: message, code, status, known, unlock: details.unlock.map((way) => way.code) }};
      }}
    """

    found = run(page, script)

    assert (found["status"], found["code"], found["known"]) == (409, "BILLING_CAPACITY_LOCKED", True)
    assert found["said"] == "Projects: full, 3 of 3 in use."
    assert "pro" in found["unlock"]


def test_an_own_event_is_passed_over_and_those_of_others_are_not(page: Page) -> None:
    """Also before the answer to the command is there: the answer invalidates."""
    script = """
      const key = limitations.workspaceBillingLimitationsQueryKey(billing.scope);
      let reads = 0;
      billing.provide(key, async () => { reads += 1; return reads; });
      billing.watch(key, () => {});
      const seen = [];
      const hear = async (event) => { await billing.invalidate({ ...argument, ...event }); seen.push(reads); };
      await billing.command("mine", "consumption", async () => { await hear({ sourceClientId: "me", commandId: "mine" }); });
      await billing.get(key);
      seen.push(reads);
      await hear({ sourceClientId: "me", commandId: "mine" });
      await hear({ sourceClientId: "me", commandId: "of a form elsewhere" });
      await hear({ sourceClientId: "another tab", commandId: "mine" });
      await hear({ sourceClientId: null, commandId: null });
      return seen;
    """

    assert run(page, script, EVENT) == [0, 1, 1, 2, 3, 4]


def test_what_changes_while_it_is_read_is_read_once_more(page: Page) -> None:
    script = """
      const key = limitations.workspaceBillingLimitationsQueryKey(billing.scope);
      let reads = 0;
      let go;
      billing.provide(key, () => new Promise((done) => { reads += 1; go = () => done(reads); }));
      billing.watch(key, () => {});
      const all = [billing.invalidate(), billing.invalidate(), billing.invalidate()];
      const until = async (number) => { while (reads < number) await new Promise((done) => setTimeout(done)); go(); };
      await until(1);
      await until(2);
      await Promise.all(all);
      return reads;
    """

    assert run(page, script) == 2


def test_who_is_told_all_the_time_reads_only_so_often(page: Page) -> None:
    script = """
      const key = limitations.workspaceBillingLimitationsQueryKey(billing.scope);
      const at = [];
      billing.provide(key, async () => { at.push(performance.now()); });
      billing.watch(key, () => {});
      for (let number = 0; number < 40; number += 1) {
        void billing.invalidate();
        await new Promise((done) => setTimeout(done, 10));
      }
      await billing.get(key);
      const pauses = at.slice(1).map((each, index) => each - at[index]);
      return [pauses.length > 0, Math.min(...pauses) >= limitations.LEAST_PAUSE - 1];
    """

    assert run(page, script) == [True, True]


def test_a_read_that_fails_is_tried_again_at_the_next_occasion(page: Page) -> None:
    script = """
      const key = limitations.workspaceBillingLimitationsQueryKey(billing.scope);
      let reads = 0;
      billing.provide(key, async () => { reads += 1; if (reads === 1) throw new Error("no luck"); return reads; });
      const failed = await billing.limitations().catch((error) => error.message);
      return [failed, await billing.limitations()];
    """

    assert run(page, script) == ["no luck", 2]


def test_pauses_grow_are_spread_and_have_an_end(page: Page) -> None:
    script = """
      const pause = (attempt, code, chance) => realtime.pauseBefore(attempt, { code, random: () => chance });
      const spread = (attempt, code) => [pause(attempt, code, 0), pause(attempt, code, 0.999999)];
      return { first: spread(0), fourth: spread(3), late: spread(50), flood: spread(0, 4429) };
    """

    found = {name: [round(each, 2) for each in pauses] for name, pauses in run(page, script).items()}

    assert found == {"first": [0.25, 0.5], "fourth": [2, 4], "late": [15, 30], "flood": [30.25, 30.5]}


def test_a_token_goes_into_the_sub_protocol_and_never_into_the_address(page: Page) -> None:
    script = """
      const opened = [];
      window.WebSocket = class extends EventTarget {
        static OPEN = 1;
        constructor(url, protocols) { super(); opened.push([String(url), protocols]); }
        close() {}
      };
      const socket = new realtime.RealtimeSocket({ token: async () => "mzk_secret" });
      socket.subscribe({ workspaceSlug: "acme", topics: ["projects"], onEvent: () => {} });
      await new Promise((done) => setTimeout(done, 20));
      socket.close();
      return opened;
    """

    ((url, protocols),) = run(page, script)

    assert url.endswith("/ws/realtime")
    assert protocols == ["mozaiks.v1", "token.mzk_secret"]


def test_a_line_that_has_died_is_noticed(page: Page) -> None:
    """A ping without an answer ends it, and another is opened."""
    script = """
      const said = [];
      let lines = 0;
      window.WebSocket = class extends EventTarget {
        static OPEN = 1;
        readyState = 1;
        constructor() { super(); lines += 1; setTimeout(() => this.dispatchEvent(new Event("open"))); }
        send(text) { said.push(JSON.parse(text).type); }
        close() {}
      };
      const socket = new realtime.RealtimeSocket({ heartbeatSeconds: 0.02, patienceSeconds: 0.05, random: () => 0 });
      socket.subscribe({ workspaceSlug: "acme", topics: ["projects"], onEvent: () => {} });
      while (lines < 2) await new Promise((done) => setTimeout(done, 10));
      socket.close();
      return said.slice(0, 2);
    """

    assert run(page, script) == ["subscribe", "ping"]


def test_what_is_refused_or_taken_away_is_said(page: Page) -> None:
    script = """
      const socket = new realtime.RealtimeSocket();
      const refused = await new Promise((done) => socket.subscribe({
        workspaceSlug: "globex", topics: ["workspace_billing_limits"], onEvent: () => {}, onRefused: done }));
      const ready = await new Promise((done) => socket.subscribe({
        workspaceSlug: window.team, topics: ["workspace_billing_limits"], onEvent: () => {}, onReady: done }));
      socket.close();
      return [refused.code, ready, socket.state];
    """

    assert run(page, script) == ["forbidden", {"again": False}, "closed"]
