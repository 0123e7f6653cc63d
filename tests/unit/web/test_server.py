"""Serving: ports, addresses that others can reach, starting and ending."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest
import uvicorn

from broadsheet.core.errors import NotFound, SourceError, UsageError
from broadsheet.web import server
from broadsheet.web.server import address_of, listen, serve


def test_a_taken_port_is_one_clear_error_or_the_next_one() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(SourceError, match=f"port {port} is taken"):
            listen("127.0.0.1", port)
        with listen("127.0.0.1", port, next_free_port=True) as second:
            assert port < second.getsockname()[1] <= port + server.NEXT_PORTS


def test_answers_leave_at_once() -> None:
    """asyncio sets TCP_NODELAY only on sockets whose protocol is named."""
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_an_address_that_is_not_ours() -> None:
    with pytest.raises(SourceError, match="can't listen there"):
        listen("192.0.2.1", 0)


def test_addresses_as_typed() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert address_of(listener, "127.0.0.1") == f"http://127.0.0.1:{port}/"
        assert address_of(listener, "::1") == f"http://[::1]:{port}/"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"host": "192.0.2.1"}, "no accounts yet"),
        ({"host": "0.0.0.0"}, "no accounts yet"),
        ({"host": "0.0.0.0", "public": True}, "by a name"),
    ],
)
def test_others_are_let_in_only_when_said_so(
    web_home: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        serve(web_home, **options)  # type: ignore[arg-type]


def test_no_library_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no library"):
        serve(tmp_path / "nothing")


def test_serves_in_the_foreground_and_ends(web_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def read_and_leave(self: uvicorn.Server) -> None:
        self.should_exit = True

    class Leaving(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            async with httpx.AsyncClient() as client:
                answer = await client.get(str(seen[0]) + "healthz")
                seen.append(answer.json())
            read_and_leave(self)

    monkeypatch.setattr(uvicorn, "Server", Leaving)
    serve(web_home, port=0, background=False, announce=seen.append)
    assert str(seen[0]).startswith("http://127.0.0.1:")
    assert seen[1] == {"ok": True}


def test_prints_the_address_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    server._print("http://127.0.0.1:8000/")
    assert "http://127.0.0.1:8000/" in capsys.readouterr().out
