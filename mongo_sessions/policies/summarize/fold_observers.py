"""Observers of the folds of this process: a seam for spans and metrics, which are made above."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from .fold_result import FoldResult


class FoldObserver(Protocol):
    """Called with a session id, it returns a context manager that surrounds a fold.

    The context begins when a block is claimed. It is given a function to call with the result,
    which is not called for a fold that is cancelled. Neither may raise.
    """

    def __call__(
        self, session_id: str, /
    ) -> AbstractContextManager[Callable[[FoldResult], object]]: ...


fold_observers: list[FoldObserver] = []


@contextmanager
def observed(session_id: str) -> Iterator[Callable[[FoldResult], None]]:
    """Surround a fold with the contexts of all observers."""
    with ExitStack() as stack:
        functions = [stack.enter_context(observer(session_id)) for observer in fold_observers]

        def tell(result: FoldResult) -> None:
            for function in functions:
                function(result)

        yield tell
