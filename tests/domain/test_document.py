"""A run's state as stored: flat names, each once, and nothing lost on the way."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from cihealing.domain.run import RunBlame, RunState, change, flat, flat_hints, from_json, to_json
from cihealing.domain.run.document import PARTS
from cihealing.domain.values import Blame
from tests.domain.world import World


def test_every_name_in_documents_is_there_once() -> None:
    own = [name for name in RunState.__struct_fields__ if name not in PARTS]
    names = [*own, *(n for part in PARTS.values() for n in part.__struct_encode_fields__)]
    assert {name for name, times in Counter(names).items() if times > 1} == set()
    assert set(flat_hints()) == set(names)


def test_what_was_healed_comes_back_as_it_was() -> None:
    run = World().heal()
    assert from_json(to_json(run)) == run
    assert to_json(from_json(to_json(run))) == to_json(run)
    assert dict(flat(run))["patch"] == run.review.patch != ""


def test_documents_are_flat_and_leave_out_what_is_as_it_begins() -> None:
    run = World().run
    blamed = change(run, blame=RunBlame(verdict=Blame.BASE, reason="red there too"))
    document = json.loads(to_json(blamed))
    assert (document["blame"], document["blame_reason"]) == ("base", "red there too")
    assert "notes" not in document
    assert not any(isinstance(document.get(name), dict) for name in PARTS)


def test_a_field_that_is_not_there_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        change(World().run, blame_reason="elsewhere")
