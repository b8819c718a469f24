"""What can go wrong that is not the driver's to say. Driver errors come through as they are."""


class IndexesMissing(RuntimeError):
    """An index is not there, and is not or cannot be created; the message says what to do.

    No items were read or written.
    """


class InvalidItem(TypeError):
    """An item is not a JSON object; the message names the place. Nothing was written."""


class ItemTooLarge(ValueError):
    """An item does not fit into one MongoDB document. Nothing was written."""


class StoreClosed(RuntimeError):
    """The store of this session was closed."""


class WrongEventLoop(RuntimeError):
    """The store was given a client that serves another event loop than this one."""
