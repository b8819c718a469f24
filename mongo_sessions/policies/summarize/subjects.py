"""What an identifier is about: two values of one fact must not be taken for two facts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .keepsakes import Keepsake

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


def subject(keepsake: Keepsake, normal: str) -> str:
    """The words in front of the first identifier, such as "gate code"; empty if there are none.

    Two keepsakes with one subject may be two values of one fact, or two facts.

    Args:
        keepsake: Not a standing instruction.
        normal: Its text, normalised.
    """
    before = normal.partition(keepsake.keys[0])[0]
    return " ".join(word for word in _WORD.findall(before) if word not in _NO_SUBJECT)
