"""
Stripe, by the account of whoever runs this house. No fee, no connected accounts.

* ``connector``   -- the protocol's calls; ``calls`` -- one call: its options, and what its failures mean
* ``checkouts``, ``subscriptions``, ``methods`` -- the calls by what they are about
* ``translating`` -- events in our words, pure; ``invoices``, ``standing`` -- the two objects that changed shape over the years
* ``completing``  -- what an event did not say, asked of Stripe
* ``reading``     -- fields of Stripe's objects; ``labels`` -- the metadata we leave there
"""
