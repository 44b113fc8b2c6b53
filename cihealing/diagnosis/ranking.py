"""Which hypotheses a report shows, and in which order: what evidence speaks for first, what was
tried in vain last. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from cihealing.domain.values import Diagnosis, Hypothesis

MAX_HYPOTHESES = 6


def merged(offline: Diagnosis, model: Diagnosis | None) -> Diagnosis:
    """A model that knows something has the first word; where to look is known from the log either
    way.
    """
    if model is None or not model.confidence or model.diagnoser == offline.diagnoser:
        return offline
    return msgspec.structs.replace(model, look_at=model.look_at or offline.look_at)


def ranked(current: Sequence[Diagnosis], tried: Iterable[Diagnosis]) -> tuple[Hypothesis, ...]:
    """Each belief once. `current`: the leading diagnosis first; `tried`: diagnoses of attempts that
    were not proven.
    """
    beliefs = [*_of(current, disproved=False), *_of(tried, disproved=True)]
    first: dict[str, Hypothesis] = {}
    for belief in beliefs:
        # A cause that an attempt stood on in vain stays marked so, whoever else believes it.
        known = first.get(_key(belief))
        first[_key(belief)] = (
            msgspec.structs.replace(known, disproved=known.disproved or belief.disproved)
            if known
            else belief
        )
    leading = next(iter(first), "")
    order = sorted(
        first.values(),
        key=lambda h: (h.disproved, _key(h) != leading, -h.confidence, -len(h.signs)),
    )
    return tuple(order[:MAX_HYPOTHESES])


def _of(diagnoses: Iterable[Diagnosis], *, disproved: bool) -> Iterator[Hypothesis]:
    for diagnosis in diagnoses:
        for place, hypothesis in enumerate(diagnosis.hypotheses):
            # A diagnosis is sure of its first hypothesis; the others are what else it thought of.
            sure = round(diagnosis.confidence / (place + 1), 2)
            yield msgspec.structs.replace(
                hypothesis, by=diagnosis.diagnoser, confidence=sure, disproved=disproved
            )


def _key(hypothesis: Hypothesis) -> str:
    return " ".join(hypothesis.text.casefold().split())
