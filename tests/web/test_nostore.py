"""What an answer may say of being kept, and what is said in its place."""

from __future__ import annotations

import pytest
from django.http import HttpResponse

from cihealing.web.nostore import marked


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("", "no-store"),
        ("public, max-age=3600", "no-store"),
        ("max-age=0, no-cache, no-store, must-revalidate", None),
        ("no-transform", "no-store, no-transform"),
        ("no-store, no-transform", None),
    ],
)
def test_every_answer_is_kept_by_nobody(said: str, told: str | None) -> None:
    answer = HttpResponse(headers={"Cache-Control": said} if said else {})
    assert marked(answer)["Cache-Control"] == (told or said)
