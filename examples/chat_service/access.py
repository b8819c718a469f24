"""Whose store a request gets, and which conversation."""

from typing import Annotated

from fastapi import Depends, Header, HTTPException, Path, Request
from pydantic import Field

from mongo_sessions import MongoSession, MongoSessionStore, OwnerStore, WrongOwner


def opened_store(request: Request) -> MongoSessionStore:
    store: MongoSessionStore = request.app.state.store
    return store


Store = Annotated[MongoSessionStore, Depends(opened_store)]


def owner_store(
    store: Store, x_user: Annotated[str, Header(min_length=1, max_length=100)]
) -> OwnerStore:
    """Put your authentication here: a client can write any name into a header."""
    return store.for_owner(x_user)


Owner = Annotated[OwnerStore, Depends(owner_store)]
ChatId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
Seq = Annotated[int, Field(ge=1, lt=2**63)]


async def opened_chat(store: Store, owner: Owner, chat_id: ChatId) -> MongoSession:
    """A conversation of this user, made by ``POST /chats``, which gives it a title.

    The first use of a new id makes a card for the user. So a request that comes while a
    conversation is deleted may leave a card: it has no title, and counts as deleted.
    """
    card = await store.session(chat_id).card()
    if card is None or card.title is None:
        raise HTTPException(404, "there is no such conversation")
    if card.owner != owner.owner:  # every operation checks it, but a stream does when it has begun
        raise WrongOwner("the conversation belongs to another user")
    return owner.session(chat_id)


Chat = Annotated[MongoSession, Depends(opened_chat)]
