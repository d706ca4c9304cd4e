"""
Tells browsers what changed: topics, publisher, sockets. No tables.

Knows workspaces and ``kit``; limits and plans are foreign words here, billing calls it from above.
"""
