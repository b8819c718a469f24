"""Arguments of ``SummarizeOlder``: defaults and errors."""

from __future__ import annotations

import pytest

from mongo_sessions import SummarizeOlder
from tests.support.scribes import Scribe


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_tokens": 999}, "max_tokens must be at least 1000, got 999"),
        ({"max_tokens": 1_000.0}, "max_tokens must be a whole number, got 1000.0"),
        ({"summary_tokens": 255}, "summary_tokens must be at least 256, got 255"),
        ({"fold_tokens": 0}, "fold_tokens must be at least 1, got 0"),
        ({"fold_tokens": 7_001}, r"max_tokens \(16000\) must have room .* \(2000\) .* \(7001\)"),
        ({"summary_tokens": 16_000}, r"must have room for summary_tokens \(16000\)"),
        ({"input_tokens": 3_999}, "input_tokens must be at least 4000, got 3999"),
        ({"role": "tool"}, "role must be one of user, assistant, developer, system, got 'tool'"),
        ({"wait_seconds": -1}, "wait_seconds must be positive, got -1"),
        ({"timeout": 0}, "timeout must be positive, got 0"),
        ({"timeout": float("inf")}, "timeout must be at most a year"),
        ({"retry_after": 1e300}, "retry_after must be at most a year"),
        ({"retry_after": "1"}, "retry_after must be a number of seconds, got '1'"),
        ({"on_summary": 5}, "on_summary must be a callable, got 5"),
        ({"on_failure": Scribe()}, "on_failure is not awaited: define it with def"),
        ({"summarizer": "gpt"}, "summarizer must be a coroutine function: .* got 'gpt'$"),
        (
            {"summarizer": Scribe},
            r"define it with async def.* got the class tests\.support\.scribes\.Scribe$",
        ),
    ],
)
def test_a_wrong_argument_is_named(options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        SummarizeOlder(**{"summarizer": Scribe(), **options})


def test_the_defaults_are_derived_from_max_tokens():
    budget = SummarizeOlder(Scribe()).budget
    assert (budget.max_tokens, budget.summary_tokens, budget.fold_tokens) == (16_000, 2_000, 5_250)
    assert (budget.due_tokens, budget.verbatim_tokens, budget.input_tokens) == (
        10_500,
        14_000,
        16_000,
    )
    assert SummarizeOlder(Scribe(), wait_seconds=0).wait_seconds == 0
    for max_tokens in range(1_000, 5_000):
        SummarizeOlder(Scribe(), max_tokens=max_tokens)
