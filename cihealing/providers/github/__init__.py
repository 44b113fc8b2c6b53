"""GitHub: its CI, and its pull requests."""
