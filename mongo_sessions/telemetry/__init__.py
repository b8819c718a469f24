"""Telemetry: what is told to OpenTelemetry, where it is installed."""
