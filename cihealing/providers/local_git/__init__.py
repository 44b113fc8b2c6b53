"""A git repository on this machine, to merge into."""
