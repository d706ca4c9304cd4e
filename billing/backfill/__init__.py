"""
Brings a catalog and customers from before the entitlement engine into it: deterministic, idempotent, resumable, loud.

* ``run``        -- the four steps in their order, for real or as a rehearsal
* ``sources``    -- what stored JSON and files say that plans and products grant
* ``templates``  -- steps 1 and 2: what they say becomes typed templates
* ``checks``     -- step 3 looks at every row before it writes the first
* ``chunks``     -- steps 3 and 4: grants with their balances, a chunk of subjects in each transaction
* ``candidates`` -- every grant that a source gives by its templates, as a SELECT
* ``statements`` -- the INSERT … SELECTs for subjects that have nothing yet
* ``dialects``   -- the words in which the two databases differ
* ``refusals``   -- a row, and the rule it breaks
"""
