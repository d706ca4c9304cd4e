"""
The arithmetic of entitlements: plain Python, no Django, no clock, no I/O.

* ``types``      -- the words of the domain as enums and frozen values
* ``windows``    -- which window an instant belongs to; ``periods`` -- which period of a price follows which
* ``lots``       -- what a grant brings into a window, and in which order lots are burned
* ``standing``   -- where a (subject, definition) stands at one instant, and the numbers people see
* ``burndown``   -- spread a debit over lots; pay overage from units that became free
* ``reversal``   -- what a use that is taken back gives back, and to whom
* ``adjustment`` -- what can be taken back from a grant
* ``projection`` -- facts to a standing, and a standing through time
* ``keys``       -- the names under which facts are recorded once

Every function here is a function of its arguments alone, so that the live path, the worker, the verifier
and the tests share one definition of what is right.
"""
