"""A test that is said to be red and green: it is run alone until that is shown, or shown to be
wrong.
"""

STEPS = ("reproduce", "isolate", "steady", "recheck", "blame", "fixers", "model")
