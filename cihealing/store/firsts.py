"""The rows of a delivery that is stored for the first time: written without a look at what is
there. They are those that `projections` would write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from cihealing.domain import events as e
from cihealing.models import Delivery
from cihealing.store import rows
from cihealing.store.projections import delivery_row, execution_rows, outcomes


def begin_delivery(
    delivery: UUID, envelopes: Sequence[e.Envelope], *, told: Mapping[int, bool]
) -> Delivery:
    """Write the rows of a delivery and of the executions it is the first to tell of. `told`: for
    each result that was judged, whether another delivery told of its execution.

    Raises IntegrityError where another one did so since.
    """
    judged = outcomes(envelopes)
    row = delivery_row(delivery, envelopes, judged)
    rows.insert([row])
    found = execution_rows(delivery, envelopes, judged)
    rows.insert([one for one in found if told.get(one.position) is False])
    rows.insert([one for one in found if one.position not in told], skip_known=True)
    return row
