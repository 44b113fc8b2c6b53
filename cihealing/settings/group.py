"""What a group of settings is, and how it is read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TypeVar

from django.core.exceptions import ImproperlyConfigured
from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

BASE_DIR = Path(__file__).resolve().parents[2]
PREFIX = "CI_HEALING_"


def data_directory() -> Path:
    """Where the service keeps what it must not lose; `var/` in the checkout unless
    `CI_HEALING_DATA_DIR` says otherwise.
    """
    return Path(os.environ.get("CI_HEALING_DATA_DIR") or BASE_DIR / "var").expanduser().resolve()


def separated(text: str, by: str = ",") -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(by) if part.strip())


def parts(by: str) -> BeforeValidator:
    return BeforeValidator(lambda value: separated(value, by) if isinstance(value, str) else value)


CommaSeparated = Annotated[tuple[str, ...], NoDecode, parts(",")]
ColonSeparated = Annotated[tuple[Path, ...], NoDecode, parts(":")]
Network = IPv4Network | IPv6Network


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Raises ValueError for what is neither an address nor a CIDR, and for one that would trust
    everybody.
    """
    found = tuple(ip_network(text, strict=False) for text in texts)
    if wide := [str(network) for network in found if network.prefixlen == 0]:
        raise ValueError(f"{wide[0]} is everybody: name the proxies themselves")
    return found


Networks = Annotated[
    tuple[Network, ...],
    NoDecode,
    BeforeValidator(lambda value: networks(separated(value)) if isinstance(value, str) else value),
]


def named(*variables: str, default: Any = "") -> Any:
    """A field whose variable has these names, the usual one first; its own name is the first one's
    in lower case.
    """
    own = variables[0].removeprefix(PREFIX).lower()
    return Field(default=default, validation_alias=AliasChoices(*variables, own))


def secret_named(*variables: str) -> Any:
    return named(*variables, default=SecretStr(""))


class Group(BaseSettings):
    """Some settings. Its fields are their names in lower case; their docstrings are what people
    read of them. Durations in seconds, sizes in bytes.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )
    also_in_files: ClassVar[tuple[str, ...]] = ()
    """Fields that are no secrets, but kept beside one."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    @classmethod
    def read(cls) -> Self:
        """As environment and files have it. Raises ImproperlyConfigured naming each variable and
        what is wrong with it; a secret's value is never in the message.
        """
        try:
            return cls(**{**cls._in_files(), **cls._in_environment()})
        except ValidationError as error:
            raise ImproperlyConfigured(
                "; ".join(_render_error(item) for item in error.errors(include_input=False))
            ) from None

    @classmethod
    def _in_environment(cls) -> dict[str, Any]:
        """By the fields' names, whichever of their variables is set; the usual one goes first."""
        found = EnvSettingsSource(cls)()
        return {
            name: found[key]
            for name, field in cls.model_fields.items()
            for key in reversed(variables(name, field))
            if key in found
        }

    @classmethod
    def _in_files(cls) -> dict[str, str]:
        """One trailing newline is not part of a secret."""
        found = {
            name: _from_file(name)
            for name, field in cls.model_fields.items()
            if field.annotation is SecretStr or name in cls.also_in_files
        }
        return {name: text for name, text in found.items() if text is not None}

    @classmethod
    def declared(cls) -> dict[str, FieldInfo]:
        """The fields of this group itself, without those it has from another."""
        inherited = {
            name
            for base in cls.__bases__
            if issubclass(base, BaseSettings)
            for name in base.model_fields
        }
        return {name: field for name, field in cls.model_fields.items() if name not in inherited}


def variables(name: str, field: FieldInfo) -> list[str]:
    """What a field may be called, the usual name first."""
    alias = field.validation_alias
    return [str(one) for one in alias.choices] if isinstance(alias, AliasChoices) else [name]


Own = TypeVar("Own", bound=Group)
"""A provider's own group."""


def _render_error(item: Any) -> str:
    return f"{PREFIX}{'_'.join(str(part) for part in item['loc']).upper()}: {item['msg']}"


def _from_file(name: str) -> str | None:
    given = os.environ.get(f"{PREFIX}{name.upper()}_FILE")
    path = Path(given) if given else data_directory() / name
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        if given:
            raise ImproperlyConfigured(
                f"{PREFIX}{name.upper()}_FILE names {given}, which does not exist."
            ) from None
        return None
    except OSError as error:
        raise ImproperlyConfigured(f"cannot read {path}: {error.strerror}") from None
