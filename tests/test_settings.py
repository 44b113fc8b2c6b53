"""What is written of settings is what the groups say, and what the code says of them is true."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from cihealing import providers
from cihealing.providers.anthropic.settings import AnthropicSettings
from cihealing.providers.github.settings import GitHubSettings
from cihealing.settings import Group, OutboundSettings, Settings

ROOT = Path(__file__).resolve().parents[1]
NO_GROUP = re.compile(r"CI_HEALING_(DATA_DIR|FAILPOINT|ASKPASS_\w+|\w*_FILE|\w*_)")
"""Read before there are groups, by tests, by a program of ours; or the beginning of a name."""


def script() -> Any:
    spec = importlib.util.spec_from_file_location("written", ROOT / "scripts" / "settings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


WRITTEN = script()
FIELDS = [
    (name, field) for kind in WRITTEN.every().values() for name, field in kind.declared().items()
]


def test_what_is_written_is_up_to_date() -> None:
    """`python scripts/settings.py --write` writes it anew."""
    assert WRITTEN.EXAMPLE.read_text() == WRITTEN.example()
    assert WRITTEN.README.read_text() == WRITTEN.written(WRITTEN.README.read_text())


def test_every_setting_stands_once_in_the_tables_of_the_readme() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \|", WRITTEN.README.read_text(), re.M)
    assert Counter(rows) == Counter(WRITTEN.variable(name, field) for name, field in FIELDS)


def test_no_two_groups_declare_one_setting_and_each_says_what_it_is() -> None:
    assert [name for name, count in Counter(name for name, _ in FIELDS).items() if count > 1] == []
    assert [name for name, field in FIELDS if not (field.description or "").endswith(".")] == []


def test_every_setting_the_code_names_is_one() -> None:
    known = {f"CI_HEALING_{name.upper()}" for name, _ in FIELDS}
    named = {
        variable
        for path in (ROOT / "cihealing").rglob("*.py")
        for variable in re.findall(r"\bCI_HEALING_[A-Z_]+\b", path.read_text())
    }
    assert {variable for variable in named - known if not NO_GROUP.fullmatch(variable)} == set()


@pytest.fixture
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CI_HEALING_DATA_DIR", str(tmp_path))
    for name in ("ANTHROPIC_API_KEY", "CI_HEALING_ANTHROPIC_API_KEY", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_bare")
def test_the_usual_name_goes_before_ours_and_both_before_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def key() -> str:
        return AnthropicSettings.read().anthropic_api_key.get_secret_value()

    (tmp_path / "anthropic_api_key").write_text("filed\n")
    assert key() == "filed"
    monkeypatch.setenv("CI_HEALING_ANTHROPIC_API_KEY", "ours")
    assert key() == "ours"
    monkeypatch.setenv("ANTHROPIC_API_KEY", "usual")
    assert key() == "usual"
    monkeypatch.setenv("ANTHROPIC_API_KEY", "")
    assert key() == "ours"


@pytest.mark.usefixtures("_bare")
def test_a_group_that_is_made_looks_at_nothing_but_what_it_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CI_HEALING_GITHUB_TOKEN", "of-the-environment")
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    assert GitHubSettings().token == ""
    assert GitHubSettings.read().token == "of-the-environment"
    assert GitHubSettings.read().https_proxy == OutboundSettings.read().https_proxy != ""


@pytest.mark.usefixtures("_bare")
def test_all_that_is_wrong_is_named_at_once_and_no_value_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CI_HEALING_MAX_ATTEMPTS", "umpteen")
    monkeypatch.setenv("CI_HEALING_MAX_BODY", "umpteen")
    with pytest.raises(ImproperlyConfigured) as wrong:
        Settings.read(providers.settings())
    assert "CI_HEALING_MAX_ATTEMPTS: " in str(wrong.value)
    assert "CI_HEALING_MAX_BODY: " in str(wrong.value)
    assert "umpteen" not in str(wrong.value)


@pytest.mark.usefixtures("_bare")
def test_a_provider_that_is_set_wrongly_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI_HEALING_GITHUB_ENABLED", "perhaps")
    with pytest.raises(ImproperlyConfigured, match="CI_HEALING_GITHUB_ENABLED: "):
        Settings.read(providers.settings())


def test_who_declares_no_settings_has_none() -> None:
    assert providers.settings()["generic"] is Group
