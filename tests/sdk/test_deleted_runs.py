"""Runs of the SDK whose session is deleted meanwhile: no late answer brings it back."""

from __future__ import annotations

import pytest
from agents import Agent, RunConfig, Runner, function_tool
from agents.memory import SessionSettings
from agents.testing import ScriptedModel, assistant_message, function_call

from mongo_sessions import MongoSessionStore, SessionDeleted, TokenLimit


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("how", ["policy", "no policy", "limit"])
@pytest.mark.parametrize("before", [0, 2])
async def test_a_run_whose_session_is_deleted_by_another_worker(database, streamed, how, before):
    policy = TokenLimit(1_000) if how == "policy" else None
    store = MongoSessionStore(database, policy=policy)
    deleted: list[int] = []

    @function_tool
    async def forget_me() -> str:
        deleted.append(await MongoSessionStore(database).delete_session("a"))
        return "forgotten"

    call = [function_call("forget_me", {}, call_id="1")]
    say = [assistant_message("Done")]
    agent = Agent("assistant", model=ScriptedModel([call, say, say]), tools=[forget_me])
    session = store.session("a")
    await session.add_items([{"role": "user", "content": "earlier"}] * before)
    settings = SessionSettings(limit=5) if how == "limit" else None
    config = RunConfig(session_settings=settings)

    async def run() -> None:
        if not streamed:
            await Runner.run(agent, "Forget me", session=session, run_config=config)
            return
        result = Runner.run_streamed(agent, "Forget me", session=session, run_config=config)
        async for _ in result.stream_events():
            pass

    with pytest.raises(SessionDeleted):
        await run()
    assert len(deleted) == 1
    assert deleted[0] >= before + 1
    assert await store.session("a").get_items() == []
    await Runner.run(agent, "Hello again", session=session)
    stored = await store.session("a").get_items(limit=99)
    assert [item.get("role") for item in stored] == ["user", "assistant"]
