"""Data the tests rely on is not what they expect: reproduce, see who changed it, leave it to its
owner where no fixer fits.
"""

STEPS = ("reproduce", "steady", "recheck", "blame", "fixers", "model")
