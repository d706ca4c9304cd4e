"""
Payments: from a checkout to a confirmed fact, and back again.

* ``connectors``  -- one protocol towards providers; beyond it no provider's word is spoken
* ``fake``        -- a provider that takes no money, for tests and the demo
* ``webhooks``    -- the inbox: an event is stored, claimed, handled, stamped; ``handlers`` says what each fact does
* ``purchases``   -- confirmed payments become grants; ``adjustments`` -- refunds, voids, disputes and corrections (``attempts``
  are those of operators); ``taking_back`` -- what all of them together take from the grants
* ``checkout``    -- customers sent to a provider's page; ``idempotency`` -- the first answer of doors that call a provider

Value is granted on confirmed facts only. No provider is called inside a transaction.
"""
