"""Random conversations as the SDK stores them, and an API's view of what is valid.

Neither uses the package: the validator is a second opinion, written from what the Responses API
rejects, and not from how cuts are made.
"""

from __future__ import annotations

import random

Item = dict

CALL_KINDS = [
    "function_call",
    "custom_tool_call",
    "shell_call",
    "apply_patch_call",
    "computer_call",
    "local_shell_call",
]
HOSTED_KINDS = ["web_search_call", "file_search_call", "code_interpreter_call", "mcp_call"]


class Conversation:
    """Writes a history, a turn at a time, with ids that repeat now and then."""

    def __init__(self, seed: int, late: float = 0) -> None:
        self._dice = random.Random(seed)
        self._late = late
        self._withheld: list[tuple[int, Item]] = []
        self._ids = 0
        self.items: list[Item] = []

    def new_id(self, prefix: str) -> str:
        self._ids += 1
        return f"{prefix}_{self._ids}"

    def text(self) -> str:
        return "word " * self._dice.randrange(1, 60)

    def add_turn(self) -> None:
        role = self._dice.choices(["user", "developer", "system"], weights=[18, 1, 1])[0]
        self.items.append({"role": role, "content": self.text()})
        for _ in range(self._dice.choice([0, 0, 1, 1, 2, 6])):
            self.add_response_with_calls()
        if self._dice.random() < 0.9:
            self.add_answer()

    def add_reasoning(self) -> None:
        if self._dice.random() < 0.5:
            self.items.append({"type": "reasoning", "id": self.new_id("rs"), "summary": []})

    def add_answer(self) -> None:
        self.add_reasoning()
        content = [{"type": "output_text", "text": self.text()}]
        self.items.append(
            {"type": "message", "role": "assistant", "id": self.new_id("msg"), "content": content}
        )

    def add_response_with_calls(self) -> None:
        self.add_reasoning()
        outputs = []
        for _ in range(self._dice.choice([1, 1, 2, 4])):
            if self._dice.random() < 0.15:
                hosted = self._dice.choice(HOSTED_KINDS)
                self.items.append(
                    {"type": hosted, "id": self.new_id("hosted"), "status": "completed"}
                )
            if self._dice.random() < 0.1:
                request = self.new_id("mcpr")
                self.items.append({"type": "mcp_approval_request", "id": request, "name": "x"})
                outputs.append(
                    {
                        "type": "mcp_approval_response",
                        "approval_request_id": request,
                        "approve": True,
                    }
                )
                continue
            kind, call_id = self._dice.choice(CALL_KINDS), self.new_id("call")
            self.items.append(
                {"type": kind, "call_id": call_id, "name": "x", "arguments": self.text()}
            )
            outputs.append({"type": f"{kind}_output", "call_id": call_id, "output": self.text()})
        self._dice.shuffle(outputs)
        for output in outputs:
            if self._late and self._dice.random() < self._late:
                self._withheld.append((self._dice.choice([1, 3, 20]), output))
            else:
                self.items.append(output)

    def add_late_outputs(self) -> None:
        """What was approved, or came back, after some more turns."""
        self.items += [output for turns, output in self._withheld if turns == 0]
        self._withheld = [(turns - 1, output) for turns, output in self._withheld if turns]

    def add_reports(self) -> None:
        """An assistant that speaks again and again, and nobody answers."""
        for _ in range(self._dice.choice([0, 0, 0, 1, 30])):
            self.items.append({"role": "assistant", "content": self.text()})

    def break_somewhere(self) -> None:
        """What a crash, an abandoned approval or another framework may leave."""
        if len(self.items) < 2:
            return
        place = self._dice.randrange(len(self.items))
        match self._dice.choice(["lose", "lose", "double", "move"]):
            case "lose":
                del self.items[place]
            case "double":
                self.items.insert(place, dict(self.items[place]))
            case "move":
                moved = self.items.pop(place)
                self.items.insert(self._dice.randrange(len(self.items)), moved)


def conversation(seed: int, turns: int, broken: int = 0, *, late: float = 0) -> list[Item]:
    """So many turns; with ``late``, a share of the outputs comes late, and there are reports."""
    writer = Conversation(seed, late)
    for _ in range(turns):
        writer.add_turn()
        if late:
            writer.add_late_outputs()
            writer.add_reports()
    for _ in range(broken):
        writer.break_somewhere()
    return writer.items


def rejections(items: list[Item]) -> list[str]:
    """Why the API would reject this input; empty if it would not."""
    reasons = []
    open_calls: list[tuple[str, str]] = []
    for number, item in enumerate(items):
        kind = item.get("type", "message")
        if kind in CALL_KINDS:
            open_calls.append((kind, item["call_id"]))
        elif kind == "mcp_approval_request":
            open_calls.append((kind, item["id"]))
        elif kind.endswith("_output") or kind == "mcp_approval_response":
            call = (
                ("mcp_approval_request", item["approval_request_id"])
                if kind == "mcp_approval_response"
                else (kind[: -len("_output")], item["call_id"])
            )
            if call in open_calls:
                open_calls.remove(call)
            else:
                reasons.append(f"{number}: {kind} without its call")
        elif kind == "reasoning":
            rest = [i for i in items[number:] if i.get("type") != "reasoning"]
            follower = rest[0] if rest else {"role": "user"}
            follows = follower.get("type", "")
            if (
                follower.get("role") in ("user", "system", "developer")
                or follows.endswith("_output")
                or follows == "mcp_approval_response"
            ):
                reasons.append(f"{number}: reasoning without its follower")
    reasons += [f"{kind} {call_id} without an output" for kind, call_id in open_calls]
    return reasons
