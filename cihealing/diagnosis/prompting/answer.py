"""The closed schema of an answer: all that a model can say to the service."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_EDITS = 20
MAX_CITATIONS = 20
Text = Annotated[str, Field(max_length=4_000)]


class Closed(BaseModel):
    """No field has a default: strict structured output demands every one of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Citation(Closed):
    """A numbered line of the excerpt that was shown, word for word."""

    line: Annotated[int, Field(ge=1)]
    text: Annotated[str, Field(max_length=2_000)]


class Edit(Closed):
    """`search` stands once in the file and becomes `replace`; an empty `search` means that
    `replace` is the whole (new) file.
    """

    path: Annotated[str, Field(min_length=1, max_length=500)]
    search: Annotated[str, Field(max_length=200_000)]
    replace: Annotated[str, Field(max_length=200_000)]


class Answer(Closed):
    known: bool
    """False: "I do not know"; then there is no patch, and `root_cause` says what is missing."""
    root_cause: Text
    failure_class: Literal["infra", "env", "data", "flaky", "product", "automation", "unknown"]
    confidence: Annotated[float, Field(ge=0, le=1)]
    citations: Annotated[list[Citation], Field(max_length=MAX_CITATIONS)]
    proposed_fix: Text
    """One sentence."""
    edits: Annotated[list[Edit], Field(max_length=MAX_EDITS)]
    diff: Annotated[str, Field(max_length=400_000)]
    """A unified diff instead of edits; empty where there are edits or nothing is to be changed."""
    test_plan: Text
