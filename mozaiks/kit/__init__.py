"""
Domain-free tools that every room may use and that import no app.

``env`` typed settings readers · ``databases`` options per engine · ``clock`` the only clock ·
``times`` instants on the wire · ``errors`` kinds of failure · ``api`` their one HTTP shape ·
``db`` transactions that are safe to repeat · ``keys`` secrets at internal doors · ``health``,
``metrics``, ``logs``, ``requests``, ``security`` for whoever runs it · ``checks`` what must hold at start.
"""
