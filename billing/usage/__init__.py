"""
What was used, told to people who look at many customers at once.

* ``days``     -- the daily projection of uses and refusals: folded as they come, thrown away and rebuilt at will
* ``folding``  -- its statements
* ``overview`` -- what the first page of the console shows, at a price that does not grow with the data
"""
