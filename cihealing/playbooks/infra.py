"""The machines, the network or a service failed, not the code: the unchanged commit is run again,
ever later.
"""

STEPS = ("rerun",)
