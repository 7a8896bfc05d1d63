"""A local HTTP server that misbehaves as a test tells it to."""

import contextlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Answer:
    """How one request is answered. `cut`: close the connection after so many bytes of the body."""

    body: bytes = b""
    status: int = 200
    ranges: bool = True
    cut: int | None = None
    length: bool = True
    headers: dict[str, str] = field(default_factory=dict)
    wrong_range: bool = False


class Server:
    """`script` maps a path to its answers, one per request; the last one repeats. `asked` is the record."""

    def __init__(self) -> None:
        self.script: dict[str, list[Answer]] = {}
        self.asked: list[tuple[str, str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, self.headers["Range"]))
                answers = outer.script.get(self.path, [Answer(status=404)])
                outer.answer(self, answers.pop(0) if len(answers) > 1 else answers[0])

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.http.server_port}{path}"

    def answer(self, request: BaseHTTPRequestHandler, how: Answer) -> None:
        body, status, extra = how.body, how.status, dict(how.headers)
        wanted = re.fullmatch(r"bytes=(\d+)-", request.headers["Range"] or "")
        if wanted and how.ranges and status == 200:
            start, whole = int(wanted[1]), len(body)
            if start >= whole:
                status, body, extra["Content-Range"] = 416, b"", f"bytes */{whole}"
            else:
                if how.wrong_range:
                    start = max(0, start - 1)
                status, body = 206, body[start:]
                extra["Content-Range"] = f"bytes {start}-{whole - 1}/{whole}"
        request.send_response(status)
        if how.length:
            request.send_header("Content-Length", str(len(body)))
        for name, value in extra.items():
            request.send_header(name, value)
        request.end_headers()
        # a client that has seen enough hangs up: that is its right
        with contextlib.suppress(ConnectionError):
            request.wfile.write(body if how.cut is None else body[: how.cut])
            request.wfile.flush()
        request.close_connection = True


@pytest.fixture
def server() -> Iterator[Server]:
    started = Server()
    yield started
    started.http.shutdown()
    started.http.server_close()
    started.thread.join()


@pytest.fixture
def answer() -> type[Answer]:
    return Answer
