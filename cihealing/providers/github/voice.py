"""One neutral check, or one comment on the open pull request whose head the commit is.

Source: GitHub REST docs, 'Checks', 'Issue comments'.
"""

from __future__ import annotations

from cihealing.ports import Site
from cihealing.providers.github.client import GitHubApi, require_enabled, text
from cihealing.providers.github.pulls import comment, pulls_of
from cihealing.providers.github.settings import GitHubSettings
from cihealing.providers.shared.ours import CHECK


class GitHubVoice:
    """`ports.Voice` at GitHub."""

    def __init__(self, settings: GitHubSettings, site: Site) -> None:
        self.repository, self.settings = site.repository, settings

    def say(self, text: str, *, run_id: str, commit: str, how: str) -> str:
        require_enabled(self.settings)
        api = GitHubApi(self.repository, self.settings)
        if how == "check":
            return _check(api, commit, run_id, text)
        number = next((int(pull["number"]) for pull in pulls_of(api, commit)), None)
        return comment(api, number, run_id, text) if number else ""


def _check(api: GitHubApi, commit: str, run_id: str, words: str) -> str:
    body = {
        "name": CHECK,
        "head_sha": commit,
        "status": "completed",
        "conclusion": "neutral",
        "external_id": run_id,
        "output": {"title": "What broke", "summary": words[:60_000]},
    }
    for known in api.listed(f"/commits/{commit}/check-runs", key="check_runs", check_name=CHECK):
        if known.get("external_id") == run_id:
            return text(api.call("PATCH", f"/check-runs/{known['id']}", body=body), "html_url")
    return text(api.call("POST", "/check-runs", body=body), "html_url")
