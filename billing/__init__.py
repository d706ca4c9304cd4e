"""
Billing: plans, products, purchases, and the entitlement engine that turns them into limits.

The floors, top may use down: ``apps > checks > api | management | pages | limits > worker | backfill > payments >
subscriptions | usage > entitlements | catalog > models > engine > errors | conf | wallet``.
Guests (apps that use limits) enter by ``billing.limits`` and by nothing else.
"""
