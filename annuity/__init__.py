"""
Annuity: a guest that values series of payments, one calculation of the month's allowance at a time.

``formula`` is the arithmetic, ``decimals`` how numbers arrive and leave, ``services`` the one write.
It enters the house by ``billing.limits`` and can be deleted: ``docs/guests.md`` says how.
"""
