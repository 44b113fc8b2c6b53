"""The environment lacks something: seen in the sandbox it can be named, and some of it is in the
repository's hands.
"""

STEPS = ("reproduce", "steady", "recheck", "blame", "fixers", "model")
