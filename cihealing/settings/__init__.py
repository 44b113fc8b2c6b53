"""The service's settings as typed groups, read from the environment and validated once.

A field `name` is the variable `CI_HEALING_<NAME>`. A secret may also be given as
`CI_HEALING_<NAME>_FILE` (a path), or lie in the data directory under its own name
(`webhook_secret`), where first start puts it. The environment wins over the file it names, that
over the data directory.

Groups are handed to constructors. Making one takes only what is given; `read` alone looks at the
environment. A provider's own group is `SETTINGS` of its `settings.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from django.core.exceptions import ImproperlyConfigured
from pydantic import BaseModel, ConfigDict

from cihealing import strength
from cihealing.settings.general import (
    CloneSettings,
    EdgeSettings,
    ModelSettings,
    OutboundSettings,
    PolicySettings,
    RuntimeSettings,
    SandboxSettings,
    ServerSettings,
)
from cihealing.settings.group import (
    BASE_DIR,
    PREFIX,
    CommaSeparated,
    Group,
    Network,
    Own,
    data_directory,
    named,
    networks,
    secret_named,
    separated,
    variables,
)

__all__ = [
    "BASE_DIR",
    "PREFIX",
    "CloneSettings",
    "CommaSeparated",
    "EdgeSettings",
    "Group",
    "ModelSettings",
    "Network",
    "OutboundSettings",
    "Own",
    "PolicySettings",
    "RuntimeSettings",
    "SandboxSettings",
    "ServerSettings",
    "Settings",
    "data_directory",
    "groups",
    "named",
    "networks",
    "secret_named",
    "separated",
    "variables",
]

WEBHOOK_SECRET = "webhook_secret_"  # noqa: S105 - how the names of such fields begin


class Settings(BaseModel):
    """All groups as they stand in the environment. `providers`: the groups of providers by their
    names.
    """

    model_config = ConfigDict(frozen=True)

    server: ServerSettings = ServerSettings()
    runtime: RuntimeSettings = RuntimeSettings()
    policy: PolicySettings = PolicySettings()
    edge: EdgeSettings = EdgeSettings()
    outbound: OutboundSettings = OutboundSettings()
    models: ModelSettings = ModelSettings()
    sandbox: SandboxSettings = SandboxSettings()
    clones: CloneSettings = CloneSettings()
    providers: Mapping[str, Group] = {}

    @classmethod
    def read(cls, providers: Mapping[str, type[Group]]) -> Self:
        """From the environment, with the groups of these providers. Raises ImproperlyConfigured,
        also where production has no strong secrets of its own.
        """
        found = cls(**_read(groups()), providers=_read(providers))
        if found.server.env == "production":
            found._require_secrets()
        return found

    def webhook_secrets(self) -> dict[str, str]:
        """Comma-separated secrets by provider; the key "" holds those that serve every provider."""
        own = {
            name.removeprefix(WEBHOOK_SECRET): getattr(group, name).get_secret_value()
            for group in self.providers.values()
            for name in type(group).model_fields
            if name.startswith(WEBHOOK_SECRET)
        }
        return {
            "": self.server.webhook_secret.get_secret_value(),
            **{name: value for name, value in own.items() if value},
        }

    def _require_secrets(self) -> None:
        """Raises ImproperlyConfigured for secrets that are missing, can be guessed, or are one
        secret for several uses.
        """
        needed = {
            "SECRET_KEY": self.server.secret_key,
            "WEBHOOK_SECRET": self.server.webhook_secret,
            "API_TOKEN": self.server.api_token,
        }
        missing = [PREFIX + name for name, value in needed.items() if not value.get_secret_value()]
        if missing:
            names = " and ".join(missing)
            raise ImproperlyConfigured(
                f"CI_HEALING_ENV=production refuses to start without secrets: set {names}, or the"
                " same with _FILE"
            )
        self._require_strength()

    def _require_strength(self) -> None:
        others = {
            f"{PREFIX}SECRET_KEY": self.server.secret_key,
            f"{PREFIX}API_TOKEN": self.server.api_token,
            f"{PREFIX}METRICS_TOKEN": self.server.metrics_token,
        }
        given = strength.own(
            self.webhook_secrets(),
            {name: secret.get_secret_value() for name, secret in others.items()},
        )
        weak = [f"{name} {why}" for name, secret in given if (why := strength.weakness(secret))]
        if twice := strength.shared(given):
            weak.append(f"{twice} are one secret, who holds it holds both")
        if weak:
            raise ImproperlyConfigured(
                f"CI_HEALING_ENV=production refuses weak secrets: {'; '.join(weak)};"
                f" {strength.MAKE}"
            )


def groups() -> dict[str, type[Group]]:
    """The groups that belong to no provider, by their names in `Settings`."""
    kinds = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {
        name: kind
        for name, kind in kinds.items()
        if isinstance(kind, type) and issubclass(kind, Group)
    }


def _read(kinds: Mapping[str, type[Group]]) -> dict[str, Any]:
    """Raises ImproperlyConfigured for all that is wrong at once."""
    found, wrong = dict[str, Any](), list[str]()
    for name, kind in kinds.items():
        try:
            found[name] = kind.read()
        except ImproperlyConfigured as error:
            wrong.append(str(error))
    if wrong:
        raise ImproperlyConfigured("; ".join(wrong))
    return found
