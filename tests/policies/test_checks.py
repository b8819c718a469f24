"""Callables accepted as awaited and as synchronous callbacks, and their names in errors."""

from __future__ import annotations

from functools import partial
from unittest.mock import AsyncMock, Mock

import pytest

from mongo_sessions.policies.checks import check_callable, check_coroutine_function


async def coroutine_function(argument): ...


def plain_function(): ...


async def generator_function():
    yield


class Asynchronous:
    async def __call__(self, argument): ...

    async def method(self): ...

    @staticmethod
    async def static(): ...

    @classmethod
    async def of_the_class(cls): ...


class Plain:
    def __call__(self): ...

    def method(self): ...


class PlainWithRepr(Plain):
    def __repr__(self):
        return "PlainWithRepr()"


class Mocked:
    __call__ = AsyncMock()


AWAITED = [
    coroutine_function,
    Asynchronous(),
    Asynchronous().method,
    Asynchronous().static,
    Asynchronous.of_the_class,
    partial(coroutine_function, 1),
    partial(partial(coroutine_function), 1),
    partial(Asynchronous(), 1),
    partial(Asynchronous().method),
    AsyncMock(),
    AsyncMock(spec=plain_function),
    partial(AsyncMock()),
    Mocked(),
]

PLAIN = {
    plain_function: "tests.policies.test_checks.plain_function",
    (lambda: None): "tests.policies.test_checks.<lambda>",
    generator_function: "tests.policies.test_checks.generator_function",
    len: "len",
    [].append: "list.append",
    Plain(): "an object of tests.policies.test_checks.Plain",
    PlainWithRepr(): "PlainWithRepr()",
    Plain().method: "tests.policies.test_checks.Plain.method",
    partial(plain_function, "a secret"): "a partial of tests.policies.test_checks.plain_function",
    partial(Plain()): "a partial of an object of tests.policies.test_checks.Plain",
}

NEITHER = {
    Asynchronous: "the class tests.policies.test_checks.Asynchronous",
    partial(Asynchronous): "a partial of the class tests.policies.test_checks.Asynchronous",
    5: "5",
    "gpt": "'gpt'",
    None: "None",
}


@pytest.mark.parametrize("value", AWAITED)
def test_an_awaited_callback_accepts_coroutine_functions(value):
    check_coroutine_function("policy", value)
    with pytest.raises(TypeError, match="on_failure is not awaited: define it with def"):
        check_callable("on_failure", value)


@pytest.mark.parametrize(("value", "name"), [*PLAIN.items(), *NEITHER.items()])
def test_an_awaited_callback_refuses_other_callables(value, name):
    with pytest.raises(TypeError) as raised:
        check_coroutine_function("policy", value)
    assert str(raised.value) == (
        "policy must be a coroutine function: define it with async def, without yield; got " + name
    )


@pytest.mark.parametrize("value", [*PLAIN, Mock()])
def test_a_synchronous_callback_accepts_callables(value):
    check_callable("on_failure", value)


@pytest.mark.parametrize(("value", "name"), [(Plain, "the class .*Plain"), (5, "5")])
def test_a_synchronous_callback_refuses_classes_and_non_callables(value, name):
    with pytest.raises(TypeError, match=f"on_failure must be a callable, got {name}$"):
        check_callable("on_failure", value)
