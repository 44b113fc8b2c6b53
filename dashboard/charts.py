"""Geometry of the small charts; templates draw it as SVG, so that nothing is ever marked safe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

STATUSES = ("queued", "running", "fixed", "escalated", "resolved", "aborted")


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One coloured piece of the band, in SVG units."""

    status: str
    count: int
    x: float
    width: float


@dataclass(frozen=True, kw_only=True)
class Band:
    """Runs by status side by side, each as wide as its share."""

    width: int
    total: int
    segments: tuple[Segment, ...]


def band(counts: Mapping[str, int], *, width: int = 600) -> Band:
    """In the order of a run's life; statuses with no run take no room."""
    total = sum(counts.get(status, 0) for status in STATUSES)
    segments: list[Segment] = []
    x = 0.0
    for status in STATUSES:
        if count := counts.get(status, 0):
            share = width * count / total
            segments.append(
                Segment(status=status, count=count, x=round(x, 2), width=round(share, 2))
            )
            x += share
    return Band(width=width, total=total, segments=tuple(segments))


@dataclass(frozen=True, kw_only=True)
class Share:
    name: str
    count: int
    percent: float
    """0 to 100, of the largest."""


def shares(counts: Mapping[str, int]) -> tuple[Share, ...]:
    """Largest first; names with nothing are left out."""
    largest = max(counts.values(), default=0)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(
        Share(name=name, count=count, percent=round(100 * count / largest, 1))
        for name, count in ordered
        if count
    )
