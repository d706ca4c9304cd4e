"""
A provider that plays Stripe, for tests and for the demo. It takes no money, and production refuses it.

* ``store``      -- what it remembers, in a SQLite file of its own; ``world`` -- objects, the clock, events
* ``shapes``     -- what its objects looked like in the old API; ``months`` -- periods of prices
* ``customers``, ``catalog``, ``checkouts``, ``subscriptions``, ``invoices``, ``refunds`` -- what Stripe does, by what it is about
* ``passing``    -- what happens by itself when time passes
* ``routes``     -- the HTTP of it; ``forms`` -- how the SDK writes; ``faults`` -- what goes wrong on demand
* ``client``     -- the SDK's way in, without a socket; ``provider`` -- the whole, and what a customer or the clerk does there
* ``connecting`` -- the one of this process, and the connector that speaks to it; ``courier`` -- brings its events to our door
"""
