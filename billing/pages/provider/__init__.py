"""
The pages of the fake provider, below ``/pretend/``: where a customer pays, looks after a subscription, and a clerk plays fate.

They are there with ``BILLING_FAKE_PROVIDER`` alone. Nothing on them grants: they make the provider tell, and its signed events
come in by the door all events come in by.
"""
