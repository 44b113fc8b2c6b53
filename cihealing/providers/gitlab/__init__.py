"""GitLab: its CI, and its merge requests."""
