"""``SummarizeOlder`` without a database: views and when they change."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mongo_sessions import ListHistory, SummarizeOlder
from mongo_sessions.policies import allowed_cuts, starts_turn
from mongo_sessions.policies.summarize.segments import from_summary
from tests.support.conversations import conversation, rejections
from tests.support.folding import count, history_of, in_foreground, is_summary, seeds
from tests.support.scribes import BadScribe, Scribe, tokens, turns

budgets = st.sampled_from([1_000, 3_000])


@given(seed=seeds, number=st.integers(0, 40), broken=st.integers(0, 6), max_tokens=budgets)
async def test_views_of_any_history_are_valid_and_hold_everything(seed, number, broken, max_tokens):
    """Read after each turn: the summary covers each item that is not shown."""
    policy = in_foreground(Scribe(), max_tokens=max_tokens)
    history = history_of([], token_counter=count)
    for item in conversation(seed, number, broken):
        history.append(item)
        if not starts_turn(item):
            continue
        view = await policy(history)
        assert rejections(view) == []
        anchor = await history.latest_summary()
        assert is_summary(view[0]) == (anchor is not None)
        stored = [entry.item for entry in history.entries[anchor.seq if anchor else 0 :]]
        shown = view[1:] if anchor else view
        if sum(map(count, stored)) <= policy.budget.verbatim_tokens and not rejections(stored):
            assert shown == stored
        if anchor:
            assert count(view[0]) <= policy.budget.summary_tokens
            segments = from_summary(anchor.summary)
            assert segments[0].first_seq == 1
            assert segments[-1].last_seq == anchor.seq
        if sum(map(count, view)) > max_tokens:
            newest = shown
            assert [cut.position for cut in allowed_cuts(newest, before=None)] == [0]


async def test_the_summary_stands_in_front_of_the_newest_turns():
    scribe = Scribe()
    policy = in_foreground(scribe)
    history = history_of(turns(1, 6))
    view = await policy(history)
    assert is_summary(view[0])
    assert view[1:] == turns(4, 6)
    assert view[0]["role"] == "user"
    (request,) = scribe.requests
    assert (request.kind, request.summary_so_far) == ("fold", "")
    assert 60 < request.wanted_tokens <= 256 // 3
    assert "question-1 " in request.transcript
    assert "answer-3 " in request.transcript
    assert "question-4 " not in request.transcript
    summarised = history.entries[5]
    assert f"up to {summarised.created_at:%Y-%m-%d %H:%M} UTC" in view[0]["content"]
    assert from_summary(summarised.summary)[0].text in view[0]["content"]
    assert [entry.item for entry in history.entries] == turns(1, 6), "originals stay"


async def test_nothing_is_summarised_below_twice_a_fold():
    scribe = Scribe()
    history = history_of(turns(1, 5))
    assert await in_foreground(scribe)(history) == turns(1, 5)
    assert scribe.requests == []


async def test_the_summary_so_far_is_given_as_context():
    scribe = Scribe()
    policy = in_foreground(scribe, max_tokens=4_000)
    history = history_of(turns(1, 60))
    while (await policy.fold(history)).report:
        pass
    first, second, *_ = scribe.requests
    (segment,) = from_summary(history.entries[27].summary)
    assert first.summary_so_far == ""
    assert second.summary_so_far == segment.text
    assert "question-15 " in second.transcript


async def test_between_folds_each_view_begins_with_the_last():
    policy = in_foreground(Scribe(), max_tokens=4_000)
    history = history_of([])
    views = []
    for item in turns(1, 200):
        history.append(item)
        if not starts_turn(item):
            views.append(await policy(history))
    changes = sum(later[: len(earlier)] != earlier for earlier, later in itertools.pairwise(views))
    folds = sum(entry.summary is not None for entry in history.entries)
    assert changes == folds > 5


async def test_a_summary_stored_during_a_read_replaces_the_items_that_it_covers():
    """It does not stand before items that it covers."""

    class Slow(ListHistory):
        async def latest_summary(self):
            if not self.is_being_folded:
                self.is_being_folded = True
                await in_foreground(Scribe()).fold(self)
            return await super().latest_summary()

        is_being_folded = False

    history = Slow(turns(1, 9), token_counter=tokens)
    scribe = BadScribe("")
    view = await SummarizeOlder(scribe, max_tokens=1_000)(history)
    assert is_summary(view[0])
    assert view[1:] == turns(4, 9)
    assert scribe.requests == [], "there is room again"


async def test_items_that_were_stored_without_counts_are_folded_in_the_foreground(caplog):
    """Their running totals are 0, and tell nothing."""
    history = history_of(turns(1, 20))
    for entry in history.entries:
        history._replace(entry, total_tokens=0)
    view = await in_foreground(Scribe())(history)
    assert is_summary(view[0])


async def test_a_summary_of_another_policy_is_ignored():
    history = history_of(turns(1, 9))
    own = history.entries[5]
    await history.save_summary(own, {"text": "by another policy"})
    policy = in_foreground(Scribe())
    view = await policy(history)
    assert is_summary(view[0])
    assert from_summary((await history.latest_summary()).summary)[0].first_seq == 1
    assert history.entries[5].summary == {"text": "by another policy"}, "not overwritten"


async def test_a_summary_that_the_entries_never_show_does_not_make_a_read_go_on_for_ever():
    """As where the newest summary is told by one server, and the entries by another."""

    class Behind(ListHistory):
        reads = 0

        async def newest_first(self, before_seq=None):
            self.reads += 1
            async for entry in super().newest_first(before_seq):
                yield replace(entry, summary=None)

    policy = in_foreground(Scribe())
    history = history_of(turns(1, 40))
    await policy(history)
    assert await history.latest_summary() is not None
    behind = Behind([], token_counter=tokens)
    behind.entries = [*history.entries, *history_of(turns(41, 80)).entries]
    behind.entries = [
        replace(entry, seq=seq, total_tokens=0) for seq, entry in enumerate(behind.entries, 1)
    ]
    behind.entries[-2] = replace(
        behind.entries[-2], summary=(await history.latest_summary()).summary
    )
    view = await asyncio.wait_for(policy(behind), timeout=30)
    assert view[-1] == behind.entries[-1].item
    assert behind.reads < 20
