"""
The project: settings, urls and servers at the top; ``workspaces`` and ``kit`` below.

Directions: ``settings | urls | asgi | wsgi`` may import anything; ``workspaces`` knows ``kit``;
``kit`` knows no app at all. ``platform``, where it is installed, stands beside ``console``.
"""
