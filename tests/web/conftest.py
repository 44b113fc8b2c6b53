from __future__ import annotations

from tests.fakes.fixtures import asking, policy

__all__ = ["asking", "policy"]
