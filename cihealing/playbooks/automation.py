"""The build's own scripts or configuration failed: a run that says more comes first, its log goes
with the report.
"""

STEPS = ("reproduce", "debug", "steady", "recheck", "blame", "fixers", "model")
