"""Where repository code is run, and what it can see there. `choose` decides which."""

from cihealing.workshop.sandbox.choice import Refusing, Room, choose, trouble

__all__ = ["Refusing", "Room", "choose", "trouble"]
