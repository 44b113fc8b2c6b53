"""Nothing is known: what can be shown by running is shown, and what fixers can do is tried."""

STEPS = ("reproduce", "steady", "recheck", "blame", "fixers", "model")
