"""What can go wrong that is not the driver's to say.

Of the driver's own errors, one becomes ours: that no server was found (ServerUnavailable). All
others come through: a lost connection whose command may have been run (AutoReconnect,
NetworkTimeout), what a server refused (OperationFailure), a client that was closed
(InvalidOperation).
"""


class ForeignCollection(RuntimeError):
    """The collection holds documents of another kind. Nothing was created in it, or written."""


class IndexesMissing(RuntimeError):
    """An index is not there, and is not or cannot be created; the message says what to do.

    No items were read or written.
    """


class InvalidItem(TypeError):
    """An item is not a JSON object; the message names the place. Nothing was written."""


class ItemTooLarge(ValueError):
    """An item does not fit into one MongoDB document. Nothing was written."""


class ServerUnavailable(ConnectionError):
    """No server that takes writes was found in time; the message says what to look at.

    The driver's ServerSelectionTimeoutError is its cause. Nothing was read. Nothing was written,
    unless the connection was lost first, in the middle of this call: then a write may be stored.

    An operation looks for a server for ``retry_for`` seconds; or for ``serverSelectionTimeoutMS``,
    if the client has another than the driver's default of 30 seconds.
    """


class StoreClosed(RuntimeError):
    """The store of this session was closed."""


class WrongEventLoop(RuntimeError):
    """The store was given a client that serves another event loop than this one."""
