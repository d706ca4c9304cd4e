"""
The guest of the core's own tests: presses a button, spends credits, takes places. Installed in ``tests.settings`` only.

Its definitions are made by the factories of each test, not by a migration.
"""
