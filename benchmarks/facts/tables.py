"""The two questions, as tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table

from mongo_sessions import LastTurns, SummarizeOlder, TokenLimit, TrimToolOutputs

from . import runs, tool_turns
from .conversation import LASTING_FACTS
from .lasting import CORRECTED, FACTS, known
from .memory import recalls
from .prefix import TURNS, prefix, verbose
from .standins import FORGETFUL, STANDINS

if TYPE_CHECKING:
    from collections.abc import Callable

    from mongo_sessions import RetrievalPolicy

    from .memory import Recall
    from .standins import Standin


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything: for a run whose figures count, and for a smoke run."""

    after_folds: tuple[int, ...]
    memory_budgets: tuple[int, ...]
    facts_a_fold: tuple[int, ...]
    prefix_budgets: tuple[int, ...]
    views: int
    """How many times the budget of a view a conversation is long, where prefixes are compared."""
    calls: int
    """Tool calls of a run."""
    turns: int
    """Of a conversation with tools."""
    tool_budgets: tuple[int, ...]

    lasting_folds: tuple[int, ...]

    def steps(self) -> int:
        memory = len(self.memory_budgets) * len(self.facts_a_fold) * len(STANDINS)
        prefixes = len(self.prefix_budgets) * len(POLICIES)
        in_runs = 1 + len(self.tool_budgets) * len(IN_RUN)
        lasting = 2 * len(_LASTING) * len(self.lasting_folds)
        return memory + lasting + prefixes + in_runs + len(_over_turns(self.tool_budgets))


# The newest facts that fit, and a model that loses some of what it writes.
_LASTING = (STANDINS[0], STANDINS[2], FORGETFUL)


FULL = Scale(
    after_folds=(10, 100, 300),
    memory_budgets=(4_000, 16_000),
    facts_a_fold=(4, 12),
    prefix_budgets=(2_000, 8_000, 32_000),
    views=20,
    calls=60,
    turns=1_000,
    tool_budgets=(16_000, 32_000, 64_000),
    lasting_folds=(10, 100, 1_000),
)
QUICK = Scale(
    after_folds=(2, 5),
    memory_budgets=(4_000,),
    facts_a_fold=(4,),
    prefix_budgets=(2_000,),
    views=4,
    calls=6,
    turns=20,
    tool_budgets=(16_000,),
    lasting_folds=(5,),
)


def _summarize(max_tokens: int, eighths: float = 3) -> SummarizeOlder:
    default = SummarizeOlder(verbose, max_tokens=max_tokens)
    fold_tokens = int(default.budget.verbatim_tokens * eighths / 8)
    return SummarizeOlder(verbose, max_tokens=max_tokens, fold_tokens=fold_tokens, background=False)


POLICIES: dict[str, Callable[[int], RetrievalPolicy]] = {
    "TokenLimit, blocks of a quarter": lambda size: TokenLimit(size, block_tokens=size // 4),
    "TokenLimit, blocks of 3/8 (default)": TokenLimit,
    "TokenLimit, blocks of a half": lambda size: TokenLimit(size, block_tokens=size // 2),
    "SummarizeOlder, folds of 3/8 (default)": lambda size: _summarize(size, 3),
    "SummarizeOlder, folds of 7/16": lambda size: _summarize(size, 3.5),
}


async def memory_table(scale: Scale, tick: Callable[[], None]) -> Table:
    table = Table(title="Facts told rightly: ours / a rolling summary", title_justify="left")
    for name in ("max_tokens", "facts a fold", "the summariser"):
        table.add_column(name)
    for folds in scale.after_folds:
        table.add_column(f"after {folds} folds", justify="right")
    table.add_column(f"of the first {LASTING_FACTS}", justify="right")
    table.add_column("older values told, all folds", justify="right")
    for max_tokens in scale.memory_budgets:
        for facts_a_fold in scale.facts_a_fold:
            for standin in STANDINS:
                cells = await _memory_cells(standin, max_tokens, facts_a_fold, scale.after_folds)
                table.add_row(f"{max_tokens:,}", str(facts_a_fold), standin.name, *cells)
                tick()
            table.add_section()
    return table


async def _memory_cells(
    standin: Standin, max_tokens: int, facts_a_fold: int, after_folds: tuple[int, ...]
) -> list[str]:
    found: list[tuple[Recall, Recall]] = []
    async for both in recalls(standin, max_tokens, facts_a_fold, max(after_folds)):
        found.append(both)  # noqa: PERF401 - ruff's suggestion is no shorter with its types
    at = [found[folds - 1] for folds in after_folds]
    ours, rolling = at[-1]
    return [
        *(f"{ours.right} / {rolling.right} of {ours.told}" for ours, rolling in at),
        f"{ours.first} / {rolling.first}",
        f"{ours.stale:,} / {rolling.stale:,}",
    ]


async def lasting_table(scale: Scale, tick: Callable[[], None]) -> Table:
    title = f"Of {FACTS} facts of the first tenth ({CORRECTED} corrected there), known at the end"
    table = Table(title=title, title_justify="left")
    for name in ("folds", "the rest", "the summariser"):
        table.add_column(name)
    for name in ("rolling", "segments", "with keepsakes", "recalled", "told wrongly", "tokens"):
        table.add_column(name, justify="right")
    for folds in scale.lasting_folds:
        for is_busy in (False, True):
            for standin in _LASTING:
                found = await known(standin, folds, is_busy=is_busy)
                table.add_row(
                    f"{folds:,}",
                    "a new ticket a turn" if is_busy else "no identifiers",
                    standin.name,
                    *map(
                        str,
                        (
                            found.rolling,
                            found.segments,
                            found.keepsakes,
                            found.recalled,
                            found.stale,
                        ),
                    ),
                    f"{found.plain_tokens} / {found.tokens}",
                )
                tick()
        table.add_section()
    return table


async def prefix_table(scale: Scale, tick: Callable[[], None]) -> Table:
    title = "Tokens sent in a prefix identical to the prompt before (mean view, of max_tokens)"
    table = Table(title=title, title_justify="left")
    table.add_column("max_tokens")
    table.add_column("")
    for name in TURNS:
        table.add_column(f"{name} turns", justify="right")
    for max_tokens in scale.prefix_budgets:
        for name, policy in POLICIES.items():
            found = [
                await prefix(policy(max_tokens), tokens, scale.views * max_tokens)
                for tokens in TURNS.values()
            ]
            cells = [f"{one.same:.1%} ({one.shown / max_tokens:.0%})" for one in found]
            table.add_row(f"{max_tokens:,}", name, *cells)
            tick()
        table.add_section()
    return table


IN_RUN: dict[str, Callable[[int], RetrievalPolicy]] = {
    "TokenLimit": TokenLimit,
    "TrimToolOutputs, newest_max_tokens=1,000": lambda size: TrimToolOutputs(
        TokenLimit(size), newest_max_tokens=1_000
    ),
}


async def runs_table(scale: Scale, tick: Callable[[], None]) -> Table:
    title = (
        f"A run with {scale.calls} tool calls, outputs of 10 to 5,000 tokens: tokens in a prefix "
        "identical to the call before (largest call; all calls)"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("max_tokens")
    table.add_column("input_filter")
    for name in runs.OUTPUTS:
        table.add_column(f"outputs: {name}", justify="right")

    async def add_row(size: str, name: str, policy: RetrievalPolicy | None) -> None:
        found = [await runs.run(policy, tokens, scale.calls) for tokens in runs.OUTPUTS.values()]
        cells = [f"{one.same:.1%} ({one.largest:,}; {one.sent:,})" for one in found]
        table.add_row(size, name, *cells)
        tick()

    await add_row("", "none: the run is not bounded", None)
    for max_tokens in scale.tool_budgets:
        table.add_section()
        for name, policy in IN_RUN.items():
            await add_row(f"{max_tokens:,}", name, policy(max_tokens))
    return table


def _over_turns(budgets: tuple[int, ...]) -> dict[str, RetrievalPolicy]:
    policies: dict[str, RetrievalPolicy] = {
        f"LastTurns({turns})": LastTurns(turns) for turns in (5, 10, 20)
    }
    for size in budgets:
        policies[f"TokenLimit({size:_})"] = TokenLimit(size)
        policies[f"TrimToolOutputs(TokenLimit({size:_}))"] = TrimToolOutputs(TokenLimit(size))
    return policies


async def turns_table(scale: Scale, tick: Callable[[], None]) -> Table:
    title = (
        f"{scale.turns:,} turns with tools: tokens in a prefix identical to the prompt before "
        "(tokens and turns of a mean view)"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for name in tool_turns.OUTPUTS:
        table.add_column(name, justify="right")
    for name, policy in _over_turns(scale.tool_budgets).items():
        found = [
            await tool_turns.over_turns(policy, tokens, scale.turns)
            for tokens in tool_turns.OUTPUTS.values()
        ]
        cells = [
            f"{one.same:.1%} ({one.sent / scale.turns:,.0f}; {one.shown:.0f})" for one in found
        ]
        table.add_row(name, *cells)
        tick()
    return table
