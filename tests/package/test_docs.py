"""The Python snippets of README and docs, run in the order of each page.

Only the server and the models are replaced. What a snippet prints is compared with the comments
behind its ``print`` calls: ``# → text``, or ``# → first line → second line``. A snippet behind the
comment ``<!-- not run: reason -->`` is only compiled.
"""

from __future__ import annotations

import ast
import asyncio
import gc
import inspect
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from agents import SQLiteSession
from agents.models.multi_provider import MultiProvider
from agents.testing import ScriptedModel, assistant_message
from opentelemetry import metrics, trace

import mongo_sessions
from mongo_sessions import policies
from mongo_sessions.telemetry import instruments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import TracerProvider

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
ANSWER = "Hello Ann."
URI = re.compile(r"mongodb://localhost:27017|mongodb\+srv://…")


class Snippet(NamedTuple):
    source: str
    line: int
    """Of the page, on which it begins."""
    reason: str | None
    """Why it is not run; None if it is."""

    @property
    def prints(self) -> list[str]:
        if "Runner.run" in self.source:
            return [ANSWER]
        comments = re.findall(r"# → (.*)$", self.source, re.MULTILINE)
        return [line for comment in comments for line in comment.split(" → ")]


def snippets(page: Path) -> Iterator[Snippet]:
    text = page.read_text("utf-8")
    pattern = r"(?:<!-- not run: ([^\n]*) -->\s*)?^ *```python\n(.*?)```"
    for found in re.finditer(pattern, text, re.DOTALL | re.MULTILINE):
        line = text.count("\n", 0, found.start(2))
        yield Snippet(textwrap.dedent(found[2]), line, found[1])


def compiled(page: Path, snippet: Snippet, uri: str) -> Any:
    source = "\n" * snippet.line + URI.sub(uri, snippet.source)  # a traceback shows the line
    return compile(source, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


async def run(code: Any, namespace: dict[str, Any]) -> None:
    if code.co_flags & inspect.CO_COROUTINE:
        await eval(code, namespace)  # noqa: S307 - our own documentation
    else:  # it may start an event loop of its own
        await asyncio.to_thread(eval, code, namespace)


@pytest.fixture
async def namespace(database, replica_set, monkeypatch, tmp_path) -> dict[str, Any]:
    """What a page takes for granted: a client, a model, and a file of SQLite with two items."""
    monkeypatch.chdir(tmp_path)
    model = ScriptedModel([[assistant_message(ANSWER)]] * 10)
    monkeypatch.setattr(MultiProvider, "get_model", lambda self, name: model)

    def use(provider: TracerProvider) -> None:
        own = instruments.Instruments(provider.get_tracer("docs"), metrics.get_meter("docs"))
        monkeypatch.setattr(instruments, "instruments", own)

    monkeypatch.setattr(trace, "set_tracer_provider", use)  # a process can set one provider, once
    session = SQLiteSession("user-123", "conversations.db")
    await session.add_items([{"role": "user", "content": "Hello"}, assistant_item(ANSWER)])
    session.close()
    client = database.client
    await client.drop_database("agents")
    return {"client": client}


def assistant_item(text: str) -> Any:
    return assistant_message(text).model_dump(exclude_unset=True)


# The quickstart leaves its client to the end of the process, as applications do.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(snippets(page))], ids=lambda page: page.name
)
async def test_the_snippets_of_a_page_run_in_order(page, namespace, replica_set, capsys):
    for snippet in snippets(page):
        code = compiled(page, snippet, replica_set)
        if snippet.reason is None:
            await run(code, namespace)
            printed = capsys.readouterr().out.splitlines()
            assert printed == snippet.prints, f"{page.name}, line {snippet.line}"
    namespace.clear()
    gc.collect()  # the clients that the page left open, under the filter above


def test_snippets_that_are_not_run_say_why():
    reasons = [snippet.reason for page in PAGES for snippet in snippets(page) if snippet.reason]
    assert reasons == []


def test_the_comparison_notices_an_output_that_the_page_does_not_say(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n\n```python\nprint(1)  # → 1\nprint(2, 3)  # → 2 3 → 4\n```\n")
    (snippet,) = snippets(page)
    assert snippet.prints == ["1", "2 3", "4"]
    assert snippet.line == 3


def test_the_reference_lists_every_public_name():
    reference = (ROOT / "docs" / "reference.md").read_text("utf-8")
    listed = set(re.findall(r"^::: mongo_sessions\.(?:policies\.)?(\w+)$", reference, re.MULTILINE))
    public = {*mongo_sessions.__all__, *policies.__all__} - {"__version__"}
    assert listed == public


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8")
    listed = re.findall(r"^  - [^:]+: (\S+\.md)$", navigation, re.MULTILINE)
    assert sorted(listed) == sorted(page.name for page in (ROOT / "docs").glob("*.md"))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_inside_the_repository_has_a_target(page):
    """The strict build of the docs sees the links between its own pages only."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        linked = page.parent / path if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target
