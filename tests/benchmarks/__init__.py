"""
What an operation costs beside the floor: the same rows written with the bare driver, in the same run, taken in turn.

``python -m tests.benchmarks`` prints the table of ``docs/performance.md``. Machines are noisy, so every figure is a ratio, of
the first quartile of many short operations; nothing here is asserted.
"""
