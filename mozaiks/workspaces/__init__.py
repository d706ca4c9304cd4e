"""
Who is who: users, workspaces, memberships, access tokens.

``roles`` is the one table of who may do what · ``access`` answers it for a user and a workspace ·
``creation`` and ``members`` change it and tell whoever listens · ``tokens`` and ``authentication`` let
programs in. Knows ``kit`` only; rooms above register listeners and are never imported from here.
"""
