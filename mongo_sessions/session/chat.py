"""What a chat application needs of a session, beyond the protocol of the SDK."""

from __future__ import annotations

from .pages import Pages
from .turns import Turns
from .watching import Watching


class Chat(Pages, Turns, Watching):
    """The methods of a session for the application around it."""
