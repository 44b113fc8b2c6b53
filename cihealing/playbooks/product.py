"""The code is wrong: reproduce, make sure it is no flake, say whose it is, let the fixers try."""

STEPS = ("reproduce", "steady", "recheck", "blame", "fixers", "model")
