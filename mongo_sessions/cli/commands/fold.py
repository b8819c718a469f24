"""``mongo-sessions fold``: make the summaries that are due."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from ...policies import AgentSummarizer, SummarizeOlder
from ...policies.checks import check_coroutine_function
from ...policies.summarize.fold_observers import fold_observers
from ..opening import opened
from ..policy_specs import loaded, policy_of
from ..target import no, wrong_usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...policies import FoldFailure, FoldResult, Summarizer
    from ...store.pending import FoldProgress
    from ..output import Output
    from ..target import Target


async def fold(
    target: Target,
    output: Output,
    *,
    policy: str,
    summarizer: str | None,
    model: str | None,
    prefix: str,
    limit: int,
) -> None:
    """Fold, one session after another. Ctrl-C loses nothing."""
    chosen = policy_of(policy, _summarizer(summarizer, model))
    if not isinstance(chosen, SummarizeOlder):
        raise wrong_usage(f"--policy {policy} makes no summaries: summarize-older:TOKENS does")
    if policy.startswith("summarize-older:") and not (summarizer or model):
        raise wrong_usage("which summariser? --model NAME, or --summarizer module:attribute")

    def tell(done: FoldProgress) -> None:
        report = done.report
        output.progress(f"session {done.session_number:,} of {done.sessions:,}: {done.session_id}")
        if output.as_json:
            output.record(
                {
                    "session_id": done.session_id,
                    "first_seq": report.first_seq,
                    "last_seq": report.last_seq,
                    "folded_tokens": report.folded_tokens,
                    "summary_tokens": report.summary_tokens,
                    "requests": report.usage.requests,
                    "seconds": round(report.seconds, 3),
                }
            )

    with _failures() as failures:
        async with opened(target, output, writes=True) as database:
            made = await database.store.fold_pending(
                chosen, prefix=prefix, limit=limit, progress=tell
            )
    if not output.as_json:
        output.line(f"{made:,} {'summary' if made == 1 else 'summaries'} made")
    if failures:
        names = ", ".join(sorted({type(failure.error).__name__ for failure in failures}))
        raise no(f"{len(failures):,} summaries failed ({names}): see the warnings above")


def _summarizer(path: str | None, model: str | None) -> Summarizer | None:
    if path and model:
        raise wrong_usage("--summarizer or --model, not both")
    if model:
        return AgentSummarizer(model)
    if path is None:
        return None
    found = loaded(path, "--summarizer")
    check_coroutine_function("summarizer", found)
    return cast("Summarizer", found)


@contextmanager
def _failures() -> Iterator[list[FoldFailure]]:
    """The failures of all folds of this process while the context is open."""
    failures: list[FoldFailure] = []

    @contextmanager
    def observe(_: str) -> Iterator[Callable[[FoldResult], object]]:
        yield lambda result: failures.append(result.failure) if result.failure else None

    fold_observers.append(observe)
    try:
        yield failures
    finally:
        fold_observers.remove(observe)
