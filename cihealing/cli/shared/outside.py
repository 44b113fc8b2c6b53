"""What `cihealing doctor` says of other sides: models, forges, CIs, Slack. Without `--online`
nothing is asked of anybody.
"""

from __future__ import annotations

from collections.abc import Callable

from cihealing import policy_file, registry
from cihealing.cli.shared.findings import Finding, bad, note, ok
from cihealing.effects.shared import asking
from cihealing.ports import ModelFailed, ModelRequest, PermanentError, TransientError
from cihealing.providers.github import app as github_app
from cihealing.providers.github import manifest as github_manifest
from cihealing.providers.jenkins import hook as jenkins_adapter
from cihealing.providers.slack import chat as slack_adapter

FORGES = {"github": "CI_HEALING_GITHUB_ENABLED"}
QUESTION = "Answer with known=false and empty lists and texts; this is a test of the connection."


def models() -> Finding:
    policy, tools = policy_file.current()[0], registry.tools()
    if off := asking.why_off(policy, tools):
        return note("models", f"{off}; fixers, reruns and proofs need none")
    where = policy.ai.repositories
    allowed = (
        "the repositories that policy names"
        if where is None
        else ", ".join(where) or "no repository (ai: repositories is empty)"
    )
    asked = (
        ", ".join(f"{c.provider}/{c.model}" for c in asking.choices(tools.model, 1, policy, tools))
        if tools.model
        else ""
    )
    state = note if where == () else ok
    return state(
        "models",
        f"{asked or 'no model is named'}; may be shown {allowed}; at most {policy.ai.daily_usd:.2f}"
        " USD a day",
    )


def call() -> Finding:
    """One real, tiny question."""
    policy, tools = policy_file.current()[0], registry.tools()
    if tools.model is None or (off := asking.why_off(policy, tools)):
        return note(
            "model call", "none was made: " + (off if tools.model else "no model is built in")
        )
    for choice in asking.choices(tools.model, 1, policy, tools):
        asked = ModelRequest(
            provider=choice.provider,
            model=choice.model,
            system=QUESTION,
            prompt="Answer.",
            max_output_tokens=500,
            timeout=30,
        )
        try:
            reply = tools.model.ask(asked, settings=tools.settings)
        except ModelFailed as failed:
            return bad("model call", f"{choice.provider}/{choice.model}: {failed.kind}: {failed}")
        state = ok if reply.outcome == "answered" else bad
        return state(
            "model call",
            f"{choice.provider}/{choice.model}: {reply.outcome} in {reply.seconds:.1f} s"
            f" {reply.problem}".strip(),
        )
    return note("model call", "no model is named: set <PROVIDER>_DEFAULT_MODEL")


def github() -> Finding:
    settings = registry.adapter_settings()
    app = settings.get("CI_HEALING_GITHUB_APP_ID")
    if not (settings.get("CI_HEALING_GITHUB_TOKEN") or app):
        return note(
            "github",
            "neither CI_HEALING_GITHUB_TOKEN nor an App is set: its logs cannot be fetched, no"
            " change can be opened",
        )
    written = settings.get(FORGES["github"]) == "true"
    who = f"App {app}" if app else "a token is set"
    return ok(
        "github",
        f"{who} for {settings['CI_HEALING_GITHUB_API_URL']}; writing is"
        f" {'on' if written else 'off (CI_HEALING_GITHUB_ENABLED)'}",
    )


def asked(
    subject: str,
    missing: str,
    question: Callable[[dict[str, str]], list[str]],
    *,
    needs: tuple[str, ...],
    fine: str,
) -> Finding:
    """One question to another side; what it answers is something to look at, that it does not is a
    fault.
    """
    settings = registry.adapter_settings()
    if not all(settings.get(name) for name in needs):
        return note(subject, missing)
    try:
        found = question(settings)
    except (PermanentError, TransientError) as error:
        return bad(subject, str(error))
    return note(subject, "; ".join(found)) if found else ok(subject, fine)


def scopes() -> Finding:
    """What a person's token may do beyond what is needed; also shows that GitHub is there."""
    if registry.adapter_settings().get("CI_HEALING_GITHUB_APP_ID"):
        return note("github scopes", "an App signs in: see github app")
    return asked(
        "github scopes",
        "there is no token of a person to look at",
        lambda told: list(registry.FORGES["github"].excess(settings=told)),
        needs=("CI_HEALING_GITHUB_TOKEN",),
        fine="the token may do what is needed and no more",
    )


def app() -> Finding:
    return asked(
        "github app",
        "there is no App: `cihealing connect github` makes one",
        lambda told: github_manifest.compared(github_app.permissions(told)),
        needs=(github_app.APP, github_app.KEY),
        fine="it signs in, and may do what is needed and no more",
    )


def gitlab() -> Finding:
    return asked(
        "gitlab",
        "set CI_HEALING_GITLAB_TOKEN for logs, reruns and merge requests",
        lambda told: list(registry.FORGES["gitlab"].excess(settings=told)),
        needs=("CI_HEALING_GITLAB_TOKEN",),
        fine="it answers, and the token may do what is needed and no more",
    )


def jenkins() -> Finding:
    return asked(
        "jenkins",
        "set CI_HEALING_JENKINS_URL, CI_HEALING_JENKINS_USER and CI_HEALING_JENKINS_TOKEN for logs"
        " and reruns",
        lambda told: jenkins_adapter.signed_in(settings=told),
        needs=("CI_HEALING_JENKINS_URL", "CI_HEALING_JENKINS_TOKEN"),
        fine="it answers, and knows the user",
    )


def slack_online() -> Finding:
    return asked(
        "slack bot",
        "there is no bot token to look at",
        lambda told: slack_adapter.signed_in(settings=told),
        needs=(slack_adapter.TOKEN,),
        fine="Slack knows the bot",
    )


def slack() -> Finding:
    settings = registry.adapter_settings()
    if not any(chat.configured(settings=settings) for chat in registry.CHATS):
        return note(
            "slack",
            "set CI_HEALING_SLACK_BOT_TOKEN with CI_HEALING_SLACK_CHANNEL, or"
            " CI_HEALING_SLACK_WEBHOOK_URL",
        )
    if not settings.get("CI_HEALING_SLACK_SIGNING_SECRET"):
        return note(
            "slack",
            "it is told; its buttons do nothing until CI_HEALING_SLACK_SIGNING_SECRET is set",
        )
    people = len(policy_file.current()[0].chat.people)
    return ok("slack", f"it is told, and {people} linked people may press its buttons")


LOCAL = (models, github, slack)
ONLINE = (scopes, app, gitlab, jenkins, slack_online, call)
