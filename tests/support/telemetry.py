"""Spans and metrics in memory, in place of an application's providers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from mongo_sessions.telemetry import instruments

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan


class Recorded:
    """What the package records while a test runs."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = provider.get_tracer("test")
        meter = MeterProvider([self.reader], shutdown_on_exit=False).get_meter("test")
        self.instruments = instruments.Instruments(self.tracer, meter)

    async def clear(self) -> None:
        """Forget the spans of the operations so far."""
        await self.spans()
        self.exporter.clear()

    async def spans(self, operation: str = "") -> list[ReadableSpan]:
        """The spans whose names begin like this, in the order of their ends."""
        await asyncio.sleep(0)  # they are ended one step after the operation
        found = self.exporter.get_finished_spans()
        return [span for span in found if span.name.startswith(operation)]

    async def attributes(self, operation: str) -> dict[str, Any]:
        """The attributes of the only such span."""
        [span] = await self.spans(operation)
        return dict(span.attributes or {})

    async def points(self, name: str) -> list[Any]:
        """The data points of one metric."""
        await asyncio.sleep(0)
        data = self._data()
        return [
            point
            for resource in (data.resource_metrics if data else [])
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    async def everything(self) -> str:
        """All that would leave the process, as text."""
        spans = [span.to_json() for span in await self.spans()]
        data = self._data()
        return "\n".join([*spans, data.to_json() if data else ""])

    def _data(self) -> Any:
        return self.reader.get_metrics_data()
