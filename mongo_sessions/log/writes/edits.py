"""What changes a session other than at its end: deletion, rewind, fork and redaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .delete import Deleter
from .fork import Forker
from .redact import Redactor
from .rewind import Rewinder
from .taking import Taker

if TYPE_CHECKING:
    from ..claims import Claims
    from ..server.clock import Time
    from ..server.deployment import Deployment
    from ..server.drivers import AnyDriver
    from ..server.lasting import LastingReads
    from ..server.retries import Retries
    from .clear import Clearer


class Edits:
    """The edits of the sessions of one collection."""

    def __init__(
        self,
        items: AnyDriver,
        lasting: LastingReads,
        retries: Retries,
        time: Time,
        deployment: Deployment,
        *,
        clearer: Clearer,
        claims: Claims,
    ) -> None:
        taker = Taker(items, lasting, retries)
        has_transactions = deployment.has_transactions
        self.deleter = Deleter(taker, clearer, lasting, retries)
        self.rewinder = Rewinder(items, lasting, taker, retries, has_transactions=has_transactions)
        self.forker = Forker(
            items,
            lasting,
            retries,
            time,
            has_transactions=has_transactions,
            has_merge=deployment.has_clock,
        )
        self.redactor = Redactor(
            items, lasting, taker, claims, retries, has_transactions=has_transactions
        )
