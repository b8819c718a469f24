"""Conversations whose tool outputs have every shape of the API, and any length."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from openai.types.responses import response_input_item_param as api
from openai.types.responses.response_custom_tool_call_output_param import (
    ResponseCustomToolCallOutputParam,
)
from pydantic import TypeAdapter

from tests.support.conversations import conversation

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,aGVsbG8=", "detail": "auto"}
FILE = {"type": "input_file", "file_data": "aGVsbG8=" * 40, "filename": "report.pdf"}
SCREENSHOT = {"type": "computer_screenshot", "image_url": "data:image/png;base64,aGVsbG8="}

_TYPES = {
    "function_call_output": api.FunctionCallOutput,
    "custom_tool_call_output": ResponseCustomToolCallOutputParam,
    "computer_call_output": api.ComputerCallOutput,
    "shell_call_output": api.ShellCallOutput,
    "apply_patch_call_output": api.ApplyPatchCallOutput,
}
_ADAPTERS = {type_: TypeAdapter(model) for type_, model in _TYPES.items()}


def check_against_the_api(item: dict) -> None:
    """Raise unless an output is valid by openai's own types, if they have a type for it."""
    adapter = _ADAPTERS.get(item.get("type", ""))
    if adapter is not None:
        adapter.validate_python(item)


def text(dice: random.Random) -> str:
    words = int(10 * 10 ** dice.uniform(0, 2.5))
    return " ".join(
        dice.choice(("alpha", "Größe", "数字", "👩‍👩‍👧", "e\u0301", "{}")) for _ in range(words)
    )


def _contents(dice: random.Random) -> Any:
    parts: list[Any] = [
        {"type": "input_text", "text": text(dice)} for _ in range(dice.randrange(1, 4))
    ]
    parts += [dict(part) for part in (IMAGE, FILE) if dice.random() < 0.3]
    dice.shuffle(parts)
    return dice.choice([text(dice), parts])


def _chunks(dice: random.Random) -> Any:
    return [
        {"stdout": text(dice), "stderr": text(dice), "outcome": {"type": "exit", "exit_code": n}}
        for n in range(dice.randrange(1, 4))
    ]


_OUTPUTS: dict[str, Callable[[random.Random], Any]] = {
    "function_call_output": _contents,
    "custom_tool_call_output": _contents,
    "computer_call_output": lambda dice: dict(SCREENSHOT),
    "shell_call_output": _chunks,
    "apply_patch_call_output": text,
    "local_shell_call_output": text,
}


def tool_conversation(seed: int, turns: int, broken: int = 0, *, late: float = 0) -> list[dict]:
    """As ``conversation``, with outputs of 10 to 3,000 words."""
    dice = random.Random(seed)
    items = conversation(seed, turns, broken, late=late)
    for item in items:
        if make := _OUTPUTS.get(item.get("type", "")):
            item["output"] = make(dice)
            if item["type"] == "apply_patch_call_output":
                item["status"] = "completed"
    return items
