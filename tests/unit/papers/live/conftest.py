"""A server on this machine that answers well, slowly, not at all, or lies; and a clock to match."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from broadsheet.papers.live import FetchReport, Limits, fetch
from broadsheet.papers.store import Store

TODAY, YESTERDAY = "2025-09-02", "2025-09-01"
NOW = 1756800000.0  # 2025-09-02T08:00:00Z


@dataclass(kw_only=True)
class Reply:
    """What the server sends.

    Args:
        stall_s: Seconds before the first byte.
        drip_s: Seconds between two bytes of the body.
        length: The Content-Length to claim, None for the true one, -1 for none at all.
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    stall_s: float = 0.0
    drip_s: float = 0.0
    length: int | None = None


@dataclass(kw_only=True)
class Request:
    path: str
    query: dict[str, str]
    agent: str

    @property
    def day(self) -> str:
        """The day that is asked for."""
        if "date" in self.query:
            return self.query["date"]
        compact = self.query["search_query"].split("[")[1][:8]
        return f"{compact[:4]}-{compact[4:6]}-{compact[6:8]}"


class Server:
    """Answers each request with `answer(request)`, and remembers the requests."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[Request], Reply] = lambda request: Reply(status=404)
        self.closing = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = {name: v[0] for name, v in parse_qs(parts.query).items()}
                request = Request(
                    path=parts.path, query=query, agent=self.headers["User-Agent"] or ""
                )
                server.requests.append(request)
                self.send(server.answer(request))

            def send(self, reply: Reply) -> None:
                server.closing.wait(reply.stall_s)
                try:
                    self.send_response(reply.status)
                    for name, value in reply.headers.items():
                        self.send_header(name, value)
                    if reply.length != -1:
                        length = len(reply.body) if reply.length is None else reply.length
                        self.send_header("Content-Length", str(length))
                    self.end_headers()
                    if not reply.drip_s:
                        self.wfile.write(reply.body)
                        return
                    for byte in reply.body:
                        self.wfile.write(bytes([byte]))
                        self.wfile.flush()
                        if server.closing.wait(reply.drip_s):
                            return
                except OSError:
                    self.close_connection = True  # the client has gone

            def log_message(self, *args: object) -> None:
                return

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/api"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def replies(self, *replies: Reply) -> None:
        """Answer with these in order, the last one for ever."""
        waiting = list(replies)
        self.answer = lambda request: waiting.pop(0) if len(waiting) > 1 else waiting[0]


class Clock:
    """Unix time that passes only while somebody sleeps."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    running = Server()
    yield running
    running.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setenv("BROADSHEET_NOW", f"{TODAY}T08:00:00+00:00")
    return Clock()


@pytest.fixture
def reply() -> type[Reply]:
    return Reply


@pytest.fixture
def atom() -> Callable[..., bytes]:
    """Write an arXiv feed of papers `first` to `first + count` of a day."""
    return write_atom


@pytest.fixture
def daily() -> Callable[..., bytes]:
    """Write a Hugging Face daily list."""
    return write_daily


def write_atom(
    day: str, count: int, *, first: int = 0, total: int | None = None, extra: str = ""
) -> bytes:
    total = count if total is None else total
    entries = "".join(
        f"""<entry><id>http://arxiv.org/abs/2509.{number:05d}v1</id>
        <title>Paper number {number}</title><updated>{day}T10:00:00Z</updated>
        <summary>What paper {number} found.</summary><published>{day}T10:00:00Z</published>
        <author><name>Ada Writer{number}</name></author>
        <category term="cs.CL" scheme="http://arxiv.org/schemas/atom"/>
        <arxiv:primary_category term="cs.CL"/></entry>"""
        for number in range(first, first + count)
    )
    return f"""<?xml version='1.0' encoding='UTF-8'?>
<feed xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/"
 xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns="http://www.w3.org/2005/Atom">
<id>https://arxiv.org/api/x</id><title>arXiv Query</title><updated>{day}T12:00:00Z</updated>
<opensearch:itemsPerPage>200</opensearch:itemsPerPage>
<opensearch:totalResults>{total}</opensearch:totalResults>
<opensearch:startIndex>{first}</opensearch:startIndex>{extra}{entries}</feed>""".encode()


def write_daily(day: str, count: int, *, first: int = 0, upvotes: int = 3) -> bytes:
    items = [
        {
            "paper": {
                "id": f"2508.{number:05d}",
                "title": f"Daily paper {number} of {day}",
                "summary": f"What daily paper {number} found.",
                "authors": [{"name": f"Bea Author{number}", "hidden": False}],
                "publishedAt": "2025-08-20T00:00:00.000Z",
                "submittedOnDailyAt": f"{day}T01:02:03.000Z",
                "upvotes": upvotes,
            },
            "title": f"Daily paper {number} of {day}",
            "publishedAt": f"{day}T00:00:00.000Z",
            "numComments": 1,
        }
        for number in range(first, first + count)
    ]
    return json.dumps(items).encode()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    with Store.open(home, create=True) as opened:
        yield opened


@pytest.fixture
def ask(store: Store, home: Path, server: Server, clock: Clock) -> Callable[..., FetchReport]:
    """Fetch from the server, since yesterday, with the clock that passes while sleeping."""

    def run(*names: str, since: str = YESTERDAY, **more: Any) -> FetchReport:
        settings: dict[str, Any] = {
            "limits": Limits(answer_s=5, read_s=5, connect_s=2, patience_s=30),
            "clock": clock,
            "sleep": clock.sleep,
            "jitter": lambda: 1.0,
            "base_urls": {"arxiv": server.url + "/arxiv", "huggingface": server.url + "/hf"},
        }
        return fetch(store, home, names, since=since, **(settings | more))

    return run


@pytest.fixture
def good(server: Server) -> None:
    """Two papers of each day from each source, other ones each day."""

    def answer(request: Request) -> Reply:
        first = int(request.day[-2:]) * 10
        write = write_daily if request.path.endswith("/hf") else write_atom
        return Reply(body=write(request.day, 2, first=first))

    server.answer = answer
