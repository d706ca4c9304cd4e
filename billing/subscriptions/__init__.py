"""
Which plan somebody is on: changed at one place, whoever asks for it, and read at one place.

* ``assignments`` -- change of plan; what the plan grants changes in the same transaction
* ``scheduling``  -- changes that begin later; ``ending`` -- trials, cancellations, and taking them back
* ``course``      -- what follows by itself: renewals, ends of trials and of patience; ``moving`` writes it
* ``reports``     -- what a provider says of a subscription (``reported``); ``renewals`` -- a period of it was paid
* ``changes``     -- what becomes of the wish for another plan, and a preview of it; ``looking`` -- where somebody stands
* ``welcome``     -- what a new workspace and a new user start with
* ``state``       -- the read side: plan, next change, what could be chosen, history
* ``reach``       -- whom a changed plan would change, and how; ``rollouts`` brings it to all of them, resumably
"""
