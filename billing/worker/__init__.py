"""
What happens without anybody asking: boundaries pass, scheduled plan changes begin, notes are kept in order.

* ``loop``       -- the rounds of one worker, from top to bottom
* ``ticks``      -- what each round does, in its order; other rooms' work is added there
* ``heartbeats`` -- signs of life, for ``/health`` and ``/metrics``
* ``embedded``   -- the same loop in a thread of the web process

Any number of workers may run. None is needed for numbers to be right: whoever touches or reads a subject brings it to the
present first.
"""
