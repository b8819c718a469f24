"""What an identifier is about: two values of one fact must not be taken for two facts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

# The name in "port = 8080" or "gate code: 4711", of a normalised identifier.
_ASSIGNED = re.compile(r"(?=[\d.-]{0,40}[^\W\d])([\w.-]{1,40})(?: ?= ?|: )")
_WORD = re.compile(r"[^\W\d_]{2,40}")
_NO_SUBJECT = frozenset(
    re.findall(
        r"\w+",
        "a an actually again an and are at be but changed correction for from has have in instead "
        "is it its my no not now of on our please so sorry that the then this to was were will "
        "with yes your",
    )
)


def identity(key: str) -> str:
    """Equal for two values of one name: the newer one replaces the older one."""
    match = _ASSIGNED.match(key)
    return f"{match[1]} =" if match else key


def subjects(keys: Collection[str], normal: str) -> frozenset[str]:
    """The names of the values among ``keys``, and the words before the first key: "gate code".

    Two keepsakes with a subject in common may be two values of one fact, or two facts.

    Args:
        keys: The identifiers of a keepsake.
        normal: Its text, normalised.
    """
    names = {name for key in keys if (name := identity(key)) != key}
    before = normal.partition(next(iter(keys), normal))[0]
    words = " ".join(word for word in _WORD.findall(before) if word not in _NO_SUBJECT)
    return frozenset(names | {words} - {""})
