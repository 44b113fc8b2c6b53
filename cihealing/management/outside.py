"""What `cihealing doctor` says of other sides: signatures, models, forges, Slack. Without `--online` nothing is asked of anybody."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime

from cihealing import hooks, policy_file, registry
from cihealing.capabilities import asking
from cihealing.management.findings import Finding, bad, note, ok
from cihealing.ports import BadSignature, ModelFailed, ModelRequest, PermanentError, RawRequest, TransientError

FORGES = {"github": "CI_HEALING_GITHUB_ENABLED"}
QUESTION = "Answer with known=false and empty lists and texts; this is a test of the connection."


def signature() -> Finding:
    """A body signed here is taken, one edited byte is not."""
    settings = registry.adapter_settings()
    secrets = hooks.split(settings.get("CI_HEALING_WEBHOOK_SECRET", ""))
    if not secrets:
        return note("signature", "no secret is set that serves every provider")
    body = json.dumps({"test": True}).encode()
    mac = hmac.new(secrets[0].encode(), body, hashlib.sha256).hexdigest()
    headers = {"x-hub-signature-256": f"sha256={mac}"}
    good, edited = (RawRequest(headers=headers, body=b, received_at=datetime.now(UTC)) for b in (body, body + b" "))
    try:
        registry.CI["generic"].verify(good, secrets)
    except BadSignature as error:
        return bad("signature", f"a body that was signed here is refused: {error}")
    try:
        registry.CI["generic"].verify(edited, secrets)
    except BadSignature:
        return ok("signature", "a signed body is taken, one with an edited byte is refused")
    return bad("signature", "a body that was edited after it was signed is taken")


def models() -> Finding:
    policy, tools = policy_file.current()[0], registry.tools()
    if off := asking.why_off(policy, tools):
        return note("models", f"{off}; fixers, reruns and proofs need none")
    where = policy.ai.repositories
    allowed = "the repositories that policy names" if where is None else ", ".join(where) or "no repository (ai: repositories is empty)"
    asked = ", ".join(f"{c.provider}/{c.model}" for c in asking.choices(tools.model, 1, policy, tools)) if tools.model else ""
    state = note if where == () else ok
    return state("models", f"{asked or 'no model is named'}; may be shown {allowed}; at most {policy.ai.daily_usd:.2f} USD a day")


def call() -> Finding:
    """One real, tiny question."""
    policy, tools = policy_file.current()[0], registry.tools()
    if tools.model is None or (off := asking.why_off(policy, tools)):
        return note("model call", "none was made: " + (off if tools.model else "no model is built in"))
    for choice in asking.choices(tools.model, 1, policy, tools):
        asked = ModelRequest(
            provider=choice.provider, model=choice.model, system=QUESTION, prompt="Answer.", max_output_tokens=500, timeout=30
        )
        try:
            reply = tools.model.ask(asked, settings=tools.settings)
        except ModelFailed as failed:
            return bad("model call", f"{choice.provider}/{choice.model}: {failed.kind}: {failed}")
        state = ok if reply.outcome == "answered" else bad
        return state("model call", f"{choice.provider}/{choice.model}: {reply.outcome} in {reply.seconds:.1f} s {reply.problem}".strip())
    return note("model call", "no model is named: set <PROVIDER>_DEFAULT_MODEL")


def github() -> Finding:
    settings = registry.adapter_settings()
    app = settings.get("CI_HEALING_GITHUB_APP_ID")
    if not (settings.get("CI_HEALING_GITHUB_TOKEN") or app):
        return note("github", "neither CI_HEALING_GITHUB_TOKEN nor an App is set: its logs cannot be fetched, no change can be opened")
    written = settings.get(FORGES["github"]) == "true"
    who = f"App {app}" if app else "a token is set"
    return ok(
        "github", f"{who} for {settings['CI_HEALING_GITHUB_API_URL']}; writing is {'on' if written else 'off (CI_HEALING_GITHUB_ENABLED)'}"
    )


def scopes() -> Finding:
    """What the credentials may do beyond what is needed; also shows that GitHub is there."""
    settings = registry.adapter_settings()
    if not settings.get("CI_HEALING_GITHUB_TOKEN") or settings.get("CI_HEALING_GITHUB_APP_ID"):
        return note("github scopes", "there is no token of a person to look at")
    try:
        found = registry.FORGES["github"].excess(settings=settings)
    except (PermanentError, TransientError) as error:
        return bad("github scopes", str(error))
    return note("github scopes", "; ".join(found)) if found else ok("github scopes", "the token may do what is needed and no more")


def slack() -> Finding:
    settings = registry.adapter_settings()
    if not any(chat.configured(settings=settings) for chat in registry.CHATS):
        return note("slack", "set CI_HEALING_SLACK_BOT_TOKEN with CI_HEALING_SLACK_CHANNEL, or CI_HEALING_SLACK_WEBHOOK_URL")
    if not settings.get("CI_HEALING_SLACK_SIGNING_SECRET"):
        return note("slack", "it is told; its buttons do nothing until CI_HEALING_SLACK_SIGNING_SECRET is set")
    people = len(policy_file.current()[0].chat.people)
    return ok("slack", f"it is told, and {people} linked people may press its buttons")


LOCAL = (signature, models, github, slack)
ONLINE = (scopes, call)
