"""The errors of this package.

ServerUnavailable replaces the driver's error that no server was found. Every other error of the
driver is raised unchanged: a lost connection whose command may have been run (AutoReconnect,
NetworkTimeout), a refusal by the server (OperationFailure), a closed client (InvalidOperation).
"""


class CannotExplain(LookupError):
    """The prompt of this item is not known; the message says why."""


class CannotPin(ValueError):
    """The item is not pinned: the message says why. Nothing was changed."""


class Conflict(RuntimeError):
    """The session has changed since the caller looked at it. Nothing was changed."""


class ForeignCollection(RuntimeError):
    """The collection holds documents of another application. Nothing was created or written."""


class IndexesMissing(RuntimeError):
    """A required index is missing, and is not or cannot be created.

    The message has the command that creates it.

    No items were read or written.
    """


class InvalidItem(TypeError):
    """An item is not a JSON object; the message names the place. Nothing was written."""


class InvalidLine(ValueError):
    """A line to import is not what an export has there; the message names the line.

    The items before it are stored, except the last ones, up to a batch of 500. Nothing of the line
    is. The import may be run again.
    """


class ItemTooLarge(ValueError):
    """An item does not fit into one MongoDB document. Nothing was written."""


class NoSuchEntry(LookupError):
    """The session has no entry at this seq; it may have been removed. Nothing was changed."""


class ServerUnavailable(ConnectionError):
    """No server that accepts writes was found in time; the message says what to check.

    Its cause is the driver's ServerSelectionTimeoutError. Nothing was read. Nothing was written,
    unless the connection was lost in the middle of this call: then a write may be stored.

    The search takes ``retry_for`` seconds, or ``serverSelectionTimeoutMS`` if the client has
    another value than the driver's default of 30 seconds.
    """


class SessionBusy(RuntimeError):
    """Another turn holds the lease of this session. In HTTP: 409 Conflict."""


class SessionDeleted(RuntimeError):
    """The session was deleted after this run had begun. Nothing was written."""


class SessionExists(ValueError):
    """The id for a new session is in use. Nothing was written."""


class StoreClosed(RuntimeError):
    """The store was closed."""


class WrongEventLoop(RuntimeError):
    """The store was given a client, and that serves another event loop."""


class WrongOwner(PermissionError):
    """The session belongs to another owner, or to none. Nothing was read or written."""
