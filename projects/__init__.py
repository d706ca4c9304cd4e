"""
Projects: a guest whose rows are counted, so that a workspace holds no more of them than its plan allows.

``services`` are the writes, each through ``billing.limits``; the API and the console use the same ones.
It enters the house by ``billing.limits`` and can be deleted: ``docs/guests.md`` says how.
"""
