"""Whether what an answer cites really stands in the excerpt that was shown."""

from __future__ import annotations

from collections.abc import Sequence

from cihealing.diagnosis.prompting.answer import Answer, Citation
from cihealing.diagnosis.prompting.untrusted import harmless
from cihealing.domain.values import Line


def faults(answer: Answer, excerpt: Sequence[Line]) -> list[str]:
    """One sentence for each citation that does not hold, and for a claim to know that cites
    nothing; empty where all is well.
    """
    shown = {line.line: squeezed(harmless(line.text)) for line in excerpt}
    found = [fault for citation in answer.citations if (fault := _fault(citation, shown))]
    return [*found, *(["it cites no line"] if answer.known and not answer.citations else [])]


def _fault(citation: Citation, shown: dict[int, str]) -> str:
    if citation.line not in shown:
        return f"line {citation.line} is not in the excerpt"
    return (
        ""
        if squeezed(citation.text) == shown[citation.line] and shown[citation.line]
        else f"line {citation.line} says something else"
    )


def squeezed(text: str) -> str:
    """White space at the ends and runs of it are not compared."""
    return " ".join(text.split())
