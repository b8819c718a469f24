"""The tracer and the instruments of OpenTelemetry. Importing this needs ``opentelemetry-api``.

Names: OpenTelemetry's semantic conventions 1.45.0 (general, database) and its GenAI semantic
conventions 0.1.0, where they have one; otherwise ``mongo_sessions.…``.

Two names of the conventions would be wrong. ``db.client.operation.duration`` is the duration of one
command, and one of our operations may send several, or share one. ``gen_ai.client.token.usage``
counts the tokens that a provider bills, and an instrumented model client records it for the same
requests; ours are counted by the store's counter.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from opentelemetry import metrics, trace
from opentelemetry.metrics import Observation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.metrics import CallbackOptions, Meter
    from opentelemetry.trace import Tracer
    from opentelemetry.util.types import AttributeValue

_SCOPE = "mongo_sessions"

# The buckets of db.client.operation.duration, and more: an operation may retry for ten minutes.
_OPERATION_SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 600]
# The buckets of gen_ai.client.operation.duration, rounded: most of a fold is a model's answers.
_FOLD_SECONDS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320]
# Powers of two as in gen_ai.client.token.usage, up to the largest context of a model.
_TOKENS = [64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072, 262144, 1048576]


class Total:
    """The sums of a counter. The SDK reads them when it exports, as its own counters are slower."""

    def __init__(self) -> None:
        self._sums: dict[tuple[tuple[str, AttributeValue], ...], int] = {}
        self._lock = threading.Lock()  # for event loops in several threads

    def add(self, amount: int, labels: Mapping[str, AttributeValue]) -> None:
        key = tuple(labels.items())
        with self._lock:
            self._sums[key] = self._sums.get(key, 0) + amount

    def observe(self, _: CallbackOptions) -> list[Observation]:
        with self._lock:
            return [Observation(amount, dict(key)) for key, amount in self._sums.items()]


class Instruments:
    """What operations and folds record to. The API's own objects do nothing until there is an SDK.

    Session ids are in spans only: as an attribute of a metric, each would be a series of its own.
    """

    def __init__(self, tracer: Tracer, meter: Meter) -> None:
        self.tracer = tracer
        self.operation_seconds = meter.create_histogram(
            "mongo_sessions.operation.duration",
            unit="s",
            description="Duration of an operation on a session, with its retries",
            explicit_bucket_boundaries_advisory=_OPERATION_SECONDS,
        )
        self.items_added, self.tokens_added = Total(), Total()
        meter.create_observable_counter(
            "mongo_sessions.items.added",
            [self.items_added.observe],
            unit="{item}",
            description="Items that were stored",
        )
        meter.create_observable_counter(
            "mongo_sessions.tokens.added",
            [self.tokens_added.observe],
            unit="{token}",
            description="Tokens of the items that were stored, by the store's counter",
        )
        self.view_tokens = meter.create_histogram(
            "mongo_sessions.view.tokens",
            unit="{token}",
            description="Tokens of a view that a policy returned, by the store's counter",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )
        self.retries = meter.create_counter(
            "mongo_sessions.retries",
            unit="{retry}",
            description="Retries after a transient error or a write conflict",
        )
        self.fold_seconds = meter.create_histogram(
            "mongo_sessions.fold.duration",
            unit="s",
            description="Duration of an attempt to fold a block, from the claim on",
            explicit_bucket_boundaries_advisory=_FOLD_SECONDS,
        )
        self.summarizer_requests = meter.create_counter(
            "mongo_sessions.summarizer.requests",
            unit="{request}",
            description="Requests to the summariser",
        )
        self.summarizer_tokens = meter.create_counter(
            "mongo_sessions.summarizer.tokens",
            unit="{token}",
            description="Tokens of the summariser's requests and answers, by the store's counter",
        )


# Proxies: a tracer provider or meter provider that is set later is used from then on.
instruments = Instruments(trace.get_tracer(_SCOPE), metrics.get_meter(_SCOPE))
