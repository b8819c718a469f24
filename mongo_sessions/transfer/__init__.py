"""Sessions out of a store and into one: lines of JSON, and the SDK's other sessions."""

from .import_session import import_session
from .imported import Imported
from .transfers import Transfers

__all__ = ["Imported", "Transfers", "import_session"]
