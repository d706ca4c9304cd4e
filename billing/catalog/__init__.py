"""
The catalog: what plans and products grant, from the JSON people write to the typed rows the engine reads.

* ``problems``    -- everything that is wrong with one payload, each with its path
* ``values``      -- single JSON values and the rules they keep
* ``entries``     -- typed, frozen entries of a plan or product
* ``authoring``   -- JSON to entries; the one place that reads entitlements from JSON
* ``schema``      -- the same shapes as JSON Schema, for editors
* ``fields``      -- the plain fields of plans, products and definitions
* ``publishing``  -- a plan or product with its templates, in one transaction
* ``templates``   -- typed rows that keep their ids while they stay
* ``rows``        -- what publishing does to any row
* ``definitions`` -- what can be granted at all
* ``revisions``   -- who changed what, when and why; what was there before
* ``changes``     -- who wants to know that the catalog changed
* ``wire``        -- rows as JSON says them, and problems under these names
* ``exchange``    -- the whole catalog as one document: written out, compared, applied
* ``document_schema`` -- that document and its items as JSON Schema
"""
