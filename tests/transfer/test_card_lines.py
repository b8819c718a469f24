"""Cards in an export: what is not a card is refused, and the field is named."""

from __future__ import annotations

import pytest

from mongo_sessions.transfer.card_lines import to_card

CARD = {"created_at": "2026-11-01T10:00:00.000Z", "active_at": "2026-11-02T10:00:00.000Z"}


def test_a_card_comes_back():
    card = to_card({**CARD, "title": "Order", "owner": "ann", "metadata": {"a": [1]}})
    assert card["title"] == "Order"
    assert (card["created_at"].day, card["active_at"].day) == (1, 2)


@pytest.mark.parametrize(
    ("exported", "message"),
    [
        (["a"], "card must be an object, got list"),
        ({**CARD, "colour": "red"}, "colour"),
        ({"created_at": CARD["created_at"]}, "the field 'active_at' of the card is missing"),
        ({**CARD, "active_at": "soon"}, "active_at"),
        ({**CARD, "active_at": 7}, "active_at"),
        ({**CARD, "title": 7}, "title of the card must be a text in Unicode"),
        ({**CARD, "owner": "\ud800"}, "owner of the card must be a text in Unicode"),
        ({**CARD, "metadata": {"a": "x" * 17_000_000}}, "metadata"),
    ],
)
def test_what_is_not_a_card_is_refused(exported, message):
    with pytest.raises(ValueError, match=message):
        to_card(exported)
