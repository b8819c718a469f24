"""The SDK's other sessions, as ``import --from`` reads them: one file a kind."""

from .source import Source, open_source, told

__all__ = ["Source", "open_source", "told"]
