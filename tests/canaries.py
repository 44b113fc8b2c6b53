"""A canary for every secret the service can hold, from every place it may come from, in every form
in which it may come out.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from cihealing import policy_file, providers, secrecy
from cihealing.domain.policy import HookPolicy, Policy, RepositoryPolicy
from cihealing.providers.github import app as github_app
from cihealing.settings import Group, Settings, groups

ODD = "+/@ü"
"""Characters that a URL, a form and Base64 write in other ways."""


def canary(name: str) -> str:
    """Nothing that looks like a secret: only who knows it can find it."""
    return f"bird{hashlib.sha256(name.encode()).hexdigest()[:6]}of{name.replace('_', '')}"


def in_url(name: str, *, scheme: str = "https") -> str:
    return (
        f"{scheme}://heal:{quote(canary(name) + ODD, safe='')}@{name.replace('_', '-')}.example/0"
    )


def shown(url_name: str) -> list[str]:
    """How the credential of a URL comes out: in the URL, decoded, as Basic authentication."""
    password = canary(url_name) + ODD
    return [
        quote(password, safe=""),
        password,
        base64.b64encode(f"heal:{password}".encode()).decode(),
    ]


BODY = [f"MIIE{hashlib.sha256(bytes([n])).hexdigest()}" for n in range(3)]
"""Lines of the private key: any of them alone is too much."""
PEM = "-----BEGIN PRIV" + "ATE KEY-----\n" + "\n".join(BODY) + "\n-----END PRIV" + "ATE KEY-----"
SLACK = f"services/T0TEAM/B0BOT/{canary('slack')}"


FIELDS = {
    name: field
    for kind in (*groups().values(), *providers.settings().values())
    for name, field in kind.model_fields.items()
}


def held(values: dict[str, Any]) -> Settings:
    """Settings where these fields hold something."""

    def group(kind: type[Group]) -> Group:
        own = {name: value for name, value in values.items() if name in kind.model_fields}
        return kind().model_copy(update=own)

    parts: dict[str, Any] = {name: group(kind) for name, kind in groups().items()}
    own = {name: group(kind) for name, kind in providers.settings().items()}
    return Settings(**parts, providers=own)


def of_every_setting() -> tuple[dict[str, Any], list[str]]:
    """Values for all settings that are secret or hold a URL, and what must not come out."""
    values, forms = dict[str, Any](), list[str]()
    for name, field in FIELDS.items():
        if field.annotation is SecretStr:
            values[name], forms = (
                SecretStr(f"{canary(name)},{canary(name + '2')}"),
                [*forms, canary(name), canary(name + "2")],
            )
        elif field.annotation is str and ("url" in name or name == "https_proxy"):
            values[name], forms = in_url(name), [*forms, *shown(name)]
    for name, scheme in (("database_url", "postgresql"), ("redis_url", "rediss")):
        values[name], forms = SecretStr(in_url(name, scheme=scheme)), [*forms, *shown(name)]
    values["github_app_private_key"] = SecretStr(PEM)
    values["slack_webhook_url"] = SecretStr(f"https://hooks.example/{SLACK}")
    of_another_form = ("database_url", "redis_url", "github_app_private_key", "slack_webhook_url")
    gone = {canary(name + end) for name in of_another_form for end in ("", "2")}
    return values, [form for form in forms if form not in gone] + [*BODY, SLACK, canary("slack")]


def settings_hold(settings: Any) -> list[str]:
    values, forms = of_every_setting()
    settings.ENVIRONMENT = held(values)
    return forms


def django_holds(settings: Any) -> list[str]:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = canary("django"), [canary("django_old")]
    return [canary("django"), canary("django_old")]


def environment_holds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("ALL_PROXY", in_url("all_proxy", scheme="socks5"))
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", in_url("index"))
    monkeypatch.setenv("PGPASSWORD", canary("pgpassword"))
    return [*shown("all_proxy"), *shown("index"), canary("pgpassword")]


def files_hold(settings: Any, directory: Path) -> list[str]:
    settings.CI_HEALING = {**settings.CI_HEALING, "DATA_DIR": directory}
    (directory / "webhook_secret.old").write_text(canary("replaced") + "\n")
    return [canary("replaced")]


def learnt(monkeypatch: pytest.MonkeyPatch, directory: Path) -> list[str]:
    """Secrets of hooks and clone URLs from policy, and a token that GitHub issued."""
    (directory / "hook").write_text(canary("filed_hook") + "\n")
    monkeypatch.setenv("SHOP_SECRET", f"{canary('hook')}, {canary('hook2')}")
    monkeypatch.setenv("DEPOT_SECRET_FILE", str(directory / "hook"))
    hooks = tuple(
        HookPolicy(name=name, provider="generic", secret_setting=f"{name}_SECRET")
        for name in ("SHOP", "DEPOT")
    )
    urls = (in_url("clone"), f"https://{canary('clone_token')}@git.example/x.git")
    policy_file.learn(
        Policy(
            hooks=hooks,
            repositories=tuple(RepositoryPolicy(match="acme/*", clone_url=url) for url in urls),
        )
    )
    monkeypatch.setattr(
        github_app.github.Auth.AppInstallationAuth,
        "token",
        property(lambda _: canary("installation")),
    )
    assert object.__new__(github_app.Installed).token == canary("installation")
    return [
        *map(canary, ("hook", "hook2", "filed_hook", "clone_token", "installation")),
        *shown("clone"),
    ]


def everywhere(
    settings: Any, monkeypatch: pytest.MonkeyPatch, directory: Path
) -> dict[Callable[..., Any], list[str]]:
    """By the source that knows them, what must come out nowhere. Only the settings know of most."""
    return {
        secrecy.of_settings: settings_hold(settings),
        secrecy.of_django: django_holds(settings),
        secrecy.of_environment: environment_holds(monkeypatch),
        secrecy.of_replaced_files: files_hold(settings, directory),
        secrecy.of_what_was_learnt: learnt(monkeypatch, directory),
    }


def leaked(text: str, secrets: Sequence[str]) -> list[str]:
    """Those of which any 12 characters in a row are there."""
    return [
        secret
        for secret in secrets
        if any(secret[at : at + 12] in text for at in range(max(1, len(secret) - 11)))
    ]
