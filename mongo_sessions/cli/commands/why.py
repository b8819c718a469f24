"""``mongo-sessions why``: what the model sees or has seen, in numbers."""

from __future__ import annotations

from dataclasses import asdict
from enum import Enum
from typing import TYPE_CHECKING, Any

from ..opening import opened
from ..policy_specs import policy_of

if TYPE_CHECKING:
    from ..output import Output
    from ..target import Target


async def why(
    target: Target, output: Output, session_id: str, seq: int | None, *, policy: str
) -> None:
    """Print the explanation of a session."""
    chosen = policy_of(policy)
    async with opened(target, output) as database:
        session = await database.existing(session_id, chosen)
        explained = await session.explain(at_seq=seq)
    if output.as_json:
        output.record(asdict(explained, dict_factory=_plain) | {"tokens": explained.tokens})
    else:
        output.render(explained)


def _plain(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value.value if isinstance(value, Enum) else value for name, value in fields}
