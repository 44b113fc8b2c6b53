"""Where repository code is run: see DESIGN.md section 4. `choose` decides which."""

from cihealing.adapters.sandbox.choice import Refusing, Room, choose

__all__ = ["Refusing", "Room", "choose"]
