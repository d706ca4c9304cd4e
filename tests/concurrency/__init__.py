"""
Many at once: real processes with connections of their own, on the database the suite runs on.

``crowd`` starts them, ``tasks`` is what they do, ``interleaving`` stops two connections at every statement in turn.
On SQLite the same races run with fewer processes; what needs a server says so.
"""
