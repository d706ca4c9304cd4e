"""
Every table of billing and of the workspaces in the console, one module per section.

* ``base``         -- tables to look at: read-only, at a constant price; cells and links
* ``publishing``   -- forms whose rules live in the catalog: rehearsed while they are checked, published when they are saved
* ``editor``       -- the JSON editor with its gallery and its preview; ``json_text`` reads and writes what stands in it
* ``history``      -- every revision of the catalog, and the way back
* ``rollouts``     -- a changed plan applied to its current subscribers
* ``operations``   -- what is done to a row by hand: one page each, with a reason, shown before and after, confirmed, done once
* ``deeds``        -- what an operator does to a customer
* ``explaining``   -- pages that say why; ``finding`` -- a customer by anything
* ``exporting``    -- ledgers as CSV; ``ranges`` -- ledgers by days
* ``catalog``, ``customers``, ``entitlements``, ``payments``, ``checkouts``, ``usage``, ``workspaces``, ``workers`` -- sections
"""

from django.contrib import admin

from console.admin import catalog, checkouts, customers, entitlements, payments, usage, workers, workspaces

__all__ = ["catalog", "checkouts", "customers", "entitlements", "payments", "usage", "workers", "workspaces"]

admin.site.index_template = "console/index.html"
admin.site.index_title = "Console"
