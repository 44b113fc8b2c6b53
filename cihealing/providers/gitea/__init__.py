"""Gitea and Forgejo: their Actions, and their pull requests."""
