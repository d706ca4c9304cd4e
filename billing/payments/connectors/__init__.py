"""
Payment providers behind one protocol.

* ``base``    -- the protocol; ``facts`` -- what a provider's event says, in our words; ``choosing`` -- which connector is set
* ``mock``, ``managed``, ``stripe`` -- the connectors; ``lacking`` -- what those answer that can do little
* ``signing`` -- signatures of webhooks; ``bodies`` -- their JSON; ``neutral`` -- events that speak our own words
"""
