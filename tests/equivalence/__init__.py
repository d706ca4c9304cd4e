"""
The engine room on a real database beside the naive reference of ``tests/engine``: no divergence in any number.

* ``guest``   -- limits of every kind, declared for these tests only
* ``beside``  -- the reference with what the room adds: enforcement, overrides, lock states, a clock that never falls back
* ``life``    -- one subject with several limits, lived twice and compared; ``lives`` begins and leads lives
* ``using``, ``setting_aside``, ``giving``, ``subscribing`` -- what happens in a life; ``plans`` -- what can be chosen
* ``looking`` -- what the database says, in the words of the reference
* ``clerks``  -- many at once, noting every answer with its version; ``history`` replays what they noted one by one
"""
