"""Plug-ins are found by being there: every module and folder of a package but `shared` exports one
value of the package's kind under the package's name for it; a folder may do so in a file of its.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import TypeVar

Kind = TypeVar("Kind")

SHARED = "shared"
"""What the plug-ins of a package have in common."""


def found(package: str, export: str, kind: type[Kind], *, file: str = "") -> dict[str, Kind]:
    """The plug-ins of a package by the name of their module, in the order of names; `file` is the
    module of a folder that exports them, where it is not the folder itself.

    Raises TypeError for one that exports nothing of that kind.
    """
    within = f".{file}" if file else ""
    return {
        name: exported(f"{package}.{name}{within}", export, kind) for name in sorted(names(package))
    }


def exported(module: str, export: str, kind: type[Kind]) -> Kind:
    """What one module exports. Raises TypeError where it is of another kind, or not there."""
    value = getattr(import_module(module), export, None)
    if not isinstance(value, kind):
        raise TypeError(f"{module} is to export {export}, a {kind.__name__}")
    return value


def names(package: str) -> Iterator[str]:
    """Who is there, without importing them."""
    spec = find_spec(package)
    places = spec.submodule_search_locations if spec else None
    return (module.name for module in iter_modules(places or []) if module.name != SHARED)
