"""
The engine room: decides inside the caller's transaction and books what was used.

* ``capabilities`` -- what apps declared: actions, limits, counters
* ``resolvers``    -- codes to definitions, kept in the process and renewed when they change
* ``sql``, ``rows``, ``facts`` -- the hot statements, and rows to engine values and back
* ``allowances``   -- a locked balance; ``passing`` brings it through time, ``spending`` takes from it, ``late`` books in a
  closed window, ``writing`` writes it back; ``ledger`` writes consumptions
* ``policy``       -- allow, warn or deny; ``refusals`` -- what a denied caller is told; ``unlock`` -- the ways on
* ``enforcement``  -- the doors of consumption; ``calls`` is the one transaction behind them; ``reversals``, ``holds``,
  ``capacity``
* ``grants``       -- units given, ended, replaced; ``plan_state`` -- those of a plan, ``paid_periods`` -- which wait for a
  payment that is there; by operators: ``manual``, ``corrections``, and ``deeds`` (done once);
  ``regrants`` -- today's templates for those who subscribed before
* ``limitations``, ``explain`` -- what people see; for operators ``told`` (one row, one refusal), ``origins`` (where grants came
  from) and ``latest``; ``balances`` -- rebuild and verify

Lock order, everywhere: the assignments of the subject, then balance rows by primary key, the newest row of a
(subject, definition) before an older one, then keys, then facts. Nothing else is locked.
"""
