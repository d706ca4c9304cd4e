"""
The operators' console: the admin site, its sections and forms, and the demo data. No tables.

Computes nothing: forms call ``billing.catalog.authoring``, saves call ``billing.catalog.publishing``.
"""
