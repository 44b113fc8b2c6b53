"""Which inbound secrets there are for a provider, and the repositories each may speak for.

`CI_HEALING_WEBHOOK_SECRET` (all providers) and `CI_HEALING_WEBHOOK_SECRET_<PROVIDER>` make one hook
that speaks for all repositories; policy adds narrower ones. Settings hold one secret or, during
rotation, several with commas between them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from cihealing import secrecy
from cihealing.domain.policy import HookPolicy, Policy

SETTING = "CI_HEALING_WEBHOOK_SECRET"


@dataclass(frozen=True, kw_only=True)
class Hook:
    """`repositories` are globs over owner/name. A hook without secrets verifies nothing."""

    name: str
    provider: str
    secrets: tuple[str, ...] = field(repr=False)
    repositories: tuple[str, ...] = ("*",)

    def speaks_for(self, repository: str) -> bool:
        return any(fnmatchcase(repository, glob) for glob in self.repositories)


def old_url(provider: str) -> str:
    """The name of the hook of a URL that ends in the secret of every provider, as all did once."""
    return f"{provider}:every-provider"


def own_secret(provider: str) -> str:
    """The setting that holds the secret of this provider alone."""
    return f"{SETTING}_{provider.upper()}"


def new_url(provider: str) -> str:
    """What to do about an old one."""
    return (
        f"let it end in {own_secret(provider)} (webhook_secret_{provider} in the data directory), a"
        " URL shows its secret to many"
    )


def named(environment: Mapping[str, str], *, own: Mapping[str, str]) -> dict[str, str]:
    """The environment, with the service's own webhook secrets (by provider, "" for all) as the
    settings resolved them.
    """
    return {
        **environment,
        **{f"{SETTING}_{provider.upper()}".rstrip("_"): secret for provider, secret in own.items()},
    }


def hooks_for(
    provider: str, *, environment: Mapping[str, str], policy: Policy, secret_in_url: bool = False
) -> list[Hook]:
    """The provider's hooks that have a secret, narrower ones first. `secret_in_url`: as the
    provider says.
    """
    own, everybody = (
        split(environment.get(own_secret(provider), "")),
        split(environment.get(SETTING, "")),
    )
    narrower = [
        narrow(hook, environment=environment) for hook in policy.hooks if hook.provider == provider
    ]
    if secret_in_url:
        old = tuple(secret for secret in everybody if secret not in own)
        wide = [
            Hook(name=provider, provider=provider, secrets=own),
            Hook(name=old_url(provider), provider=provider, secrets=old),
        ]
    else:
        wide = [Hook(name=provider, provider=provider, secrets=own + everybody)]
    return [hook for hook in (*narrower, *wide) if hook.secrets]


def narrow(hook: HookPolicy, *, environment: Mapping[str, str]) -> Hook:
    """The hook with the secrets that its setting holds now, which are masked from here on."""
    secrets = split(
        environment.get(hook.secret_setting, "")
        or _from_file(environment.get(f"{hook.secret_setting}_FILE", ""))
    )
    secrecy.learn(*secrets)
    # Delivery ids are unique within a hook: the prefix keeps a hook that is named like a provider
    # apart from the provider's own.
    return Hook(
        name=f"policy:{hook.name}",
        provider=hook.provider,
        secrets=secrets,
        repositories=hook.repositories,
    )


def _from_file(path: str) -> str:
    """An unreadable file is no secret: the hook then verifies nothing, which its sender sees as
    401.
    """
    try:
        return Path(path).read_text(encoding="utf-8") if path else ""
    except (OSError, UnicodeDecodeError):
        return ""


def split(secrets: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in secrets.split(",") if part.strip())
