"""A model behind HTTP, without a model: what OpenAI's Responses API answers, from a script.

It stands in for a real provider, so that the real client, its retries and its timeouts are part of
a test. It listens on loopback and knows one thing, ``POST /v1/responses`` without streaming.
"""

from __future__ import annotations

import json
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self


@dataclass(frozen=True)
class Request:
    """What the server was sent."""

    path: str
    headers: dict[str, str]
    """With names in lower case."""
    body: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    body: dict[str, Any]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


SILENCE = Answer({})
"""No answer for as long as the server runs, or for ten seconds, so that no test hangs."""

# The client takes a retry-after of 0 for none, and then waits half a second and more.
_AT_ONCE = {"retry-after-ms": "1"}


def completed(text: str) -> Answer:
    return _response([_message([_text(text)])])


def completed_without_output() -> Answer:
    return _response([])


def refused(words: str) -> Answer:
    return _response([_message([{"type": "refusal", "refusal": words}])])


def cut_off(text: str, status: str = "incomplete") -> Answer:
    """An answer that reached the limit of output; ``status`` is what the response as a whole has.

    OpenAI says it of the response and of the message; a provider that copies its API may forget the
    former.
    """
    details = {"reason": "max_output_tokens"} if status == "incomplete" else None
    message = _message([_text(text)], status="incomplete")
    return _response([message], status=status, incomplete_details=details)


def unauthorized() -> Answer:
    return _error(401, "invalid_api_key")


def too_many_requests() -> Answer:
    return _error(429, "rate_limit_exceeded")


def server_error() -> Answer:
    return _error(500, "server_error")


def _text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _message(content: list[dict[str, Any]], status: str = "completed") -> dict[str, Any]:
    return {
        "type": "message",
        "id": "msg_1",
        "status": status,
        "role": "assistant",
        "content": content,
    }


def _response(output: list[dict[str, Any]], **fields: Any) -> Answer:
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 10,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 110,
    }
    response = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": usage,
    }
    return Answer({**response, **fields})


def _error(status: int, code: str) -> Answer:
    error = {"message": "It did not work.", "type": code, "param": None, "code": code}
    return Answer({"error": error}, status, _AT_ONCE)


class ResponsesServer:
    """Answers one request after the other with what the script has for it.

    Args:
        script: The answers. A request for which it has none is answered with status 400, which the
            client does not retry.
    """

    def __init__(self, script: Iterable[Answer]) -> None:
        self._script = iter(script)
        self._lock = threading.Lock()
        self.requests: list[Request] = []
        self.was_asked = threading.Event()
        """Set by the first request."""
        self.was_hung_up_on = threading.Event()
        """Set when the client, or the end of the server, has closed a connection in silence."""

    def __enter__(self) -> Self:
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()  # waits for the threads of all connections

    def answer_to(self, request: Request) -> Answer:
        with self._lock:
            self.requests.append(request)
            answer = next(self._script, None)
        self.was_asked.set()
        if request.path != "/v1/responses":
            return _error(404, "not_found")
        return answer or _error(400, "no_answer_left_in_the_script")


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # they are waited for

    def __init__(self, script: ResponsesServer) -> None:
        self.script = script
        self._connections: list[socket.socket] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.append(request)
        super().process_request(request, client_address)

    def hang_up(self) -> None:
        """End the waiting of every handler: for the next request, or in silence."""
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept, as a provider keeps them
    timeout = 10
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        script = self.server.script
        answer = script.answer_to(Request(self.path, headers, body))
        if answer is SILENCE:
            self.close_connection = True
            with suppress(OSError):
                self.connection.recv(1)  # until somebody hangs up
                script.was_hung_up_on.set()
            return
        self._send(Answer({"model": body["model"], **answer.body}, answer.status, answer.headers))

    def _send(self, answer: Answer) -> None:
        content = json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing goes to stderr."""
