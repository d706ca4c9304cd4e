"""
The doors of billing over HTTP: one file per resource, with its view and its plain serializers.

``subject`` says whose limits a request is about, ``internal_key`` lets our own services in, ``doors`` is what every view
here shares, ``paging`` how lists come in pages. Contracts: ``docs/contracts.md``.
"""
