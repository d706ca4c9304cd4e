"""
Which plan somebody is on: changed at one place, whoever asks for it, and read at one place.

* ``assignments`` -- change of plan; what the plan grants changes in the same transaction
* ``welcome``     -- what a new workspace and a new user start with
* ``state``       -- the read side: plan, next change, what could be chosen, history
* ``reach``       -- whom a changed plan would change, and how; ``rollouts`` brings it to all of them, resumably
"""
