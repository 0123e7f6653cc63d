"""One GET: what is whole is whole, what is cut says so, and nothing is endless."""

from __future__ import annotations

import gzip
import time
from typing import Any

import pytest

from broadsheet import __version__
from broadsheet.papers.live.client import Limits, get, retry_after
from broadsheet.papers.live.trouble import Kind, Trouble

LIMITS = Limits(max_bytes=100_000, max_unpacked=200_000, read_s=5, connect_s=2)


def ask(server: Any, limit_s: float = 5.0, **more: Any) -> Any:
    return get(server.url, {"q": "a b&c"}, limits=LIMITS, limit_s=limit_s, now=1756800000.0, **more)


def trouble(server: Any, **more: Any) -> Trouble:
    with pytest.raises(Trouble) as caught:
        ask(server, **more)
    return caught.value


def test_a_good_answer(server: Any, reply: Any) -> None:
    server.replies(reply(body=b"hello", headers={"Content-Type": "text/plain"}))
    answer = ask(server)
    assert (answer.status, answer.body, answer.cut) == (200, b"hello", "")
    assert answer.content_type == "text/plain"
    assert server.requests[0].query == {"q": "a b&c"}
    assert server.requests[0].agent.startswith(f"broadsheet/{__version__}")


def test_compressed_answers_are_unpacked(server: Any, reply: Any) -> None:
    body = b"many words " * 1000
    server.replies(reply(body=gzip.compress(body), headers={"Content-Encoding": "gzip"}))
    assert ask(server).body == body


@pytest.mark.parametrize("length", [500, -1])
def test_a_cut_body_keeps_its_beginning(server: Any, reply: Any, length: int) -> None:
    packed = gzip.compress(bytes(range(256)) * 4)
    headers = {"Content-Encoding": "gzip"}
    server.replies(reply(body=packed[: len(packed) // 2], headers=headers, length=length))
    answer = ask(server)
    assert "broke off" in answer.cut
    assert answer.body == (bytes(range(256)) * 4)[: len(answer.body)]


def test_a_cut_plain_body(server: Any, reply: Any) -> None:
    server.replies(reply(body=b"half", length=100))
    answer = ask(server)
    assert answer.body == b"half"
    assert "broke off" in answer.cut


def test_damaged_compression(server: Any, reply: Any) -> None:
    packed = bytearray(gzip.compress(b"x" * 5000))
    packed[2] = 99
    server.replies(reply(body=bytes(packed), headers={"Content-Encoding": "gzip"}))
    assert "damaged" in ask(server).cut


def test_a_decompression_bomb_is_refused(server: Any, reply: Any) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000, 9)
    assert len(bomb) < LIMITS.max_bytes
    server.replies(reply(body=bomb, headers={"Content-Encoding": "gzip"}))
    caught = trouble(server)
    assert caught.kind is Kind.DOUBTFUL
    assert "more than the limit" in caught.why


@pytest.mark.parametrize("length", [None, -1, 10**12])
def test_an_answer_over_the_limit_is_refused(server: Any, reply: Any, length: int) -> None:
    body = b"x" * 10 if length == 10**12 else b"x" * 300_000
    server.replies(reply(body=body, length=length))
    assert trouble(server).kind is Kind.DOUBTFUL


def test_unknown_packing_is_refused(server: Any, reply: Any) -> None:
    server.replies(reply(body=b"x", headers={"Content-Encoding": "br"}))
    assert "br" in trouble(server).why


def test_a_silent_server_costs_no_more_than_the_limit(server: Any, reply: Any) -> None:
    server.replies(reply(body=b"late", stall_s=30))
    begun = time.monotonic()
    assert trouble(server, limit_s=0.3).kind is Kind.FAILING
    assert trouble(server, limit_s=0.1, limit_kind=Kind.OURS).kind is Kind.OURS
    assert time.monotonic() - begun < 3


def test_a_dripping_server_is_cut_and_its_part_kept(server: Any, reply: Any) -> None:
    server.replies(reply(body=b"abcdefghij" * 100, drip_s=0.02))
    answer = ask(server, limit_s=0.5)
    assert "within 0.5 s" in answer.cut
    assert 0 < len(answer.body) < 1000
    assert answer.body == (b"abcdefghij" * 100)[: len(answer.body)]


def test_redirects_on_the_same_host_are_followed(server: Any, reply: Any) -> None:
    server.replies(reply(status=302, headers={"Location": "/other?z=1"}), reply(body=b"there"))
    assert ask(server).body == b"there"
    assert (server.requests[1].path, server.requests[1].query) == ("/other", {"z": "1"})


@pytest.mark.parametrize(
    "location",
    ["http://login.example/x", "http://127.0.0.1:1/x", "ftp://127.0.0.1/x", "file:///etc/passwd"],
)
def test_redirects_to_other_places_are_not(server: Any, reply: Any, location: str) -> None:
    server.replies(reply(status=302, headers={"Location": location}))
    caught = trouble(server)
    assert caught.kind is Kind.UNREACHABLE
    assert "another place" in caught.why
    assert len(server.requests) == 1


def test_redirects_in_a_circle_end(server: Any, reply: Any) -> None:
    server.replies(reply(status=302, headers={"Location": "/api"}))
    assert "circle" in trouble(server).why
    assert len(server.requests) == 4


def test_throttling_with_and_without_retry_after(server: Any, reply: Any) -> None:
    in_a_minute = "Tue, 02 Sep 2025 08:01:00 GMT"
    for status, header, seconds in (
        (429, {}, 0.0),
        (429, {"Retry-After": "120"}, 120.0),
        (503, {"Retry-After": in_a_minute}, 60.0),
        (200, {"Retry-After": "nonsense"}, 0.0),
    ):
        server.replies(reply(status=status, headers=header, body=b"Rate exceeded."))
        caught = trouble(server)
        assert (caught.kind, caught.after_s) == (Kind.THROTTLED, seconds)


def test_server_errors_and_refusals(server: Any, reply: Any) -> None:
    server.replies(reply(status=500, body=b"oops"))
    assert trouble(server).kind is Kind.FAILING
    server.replies(reply(status=403, body=b"no"))
    assert ask(server).status == 403


def test_an_unreachable_host(server: Any) -> None:
    server.url = "http://127.0.0.1:1/api"
    assert trouble(server).kind is Kind.UNREACHABLE


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("7", 7), ("9" * 30, 86400), ("-5", 0), ("", 0), ("٣", 0), ("1e9", 0)],
)
def test_retry_after(text: str, seconds: float) -> None:
    assert retry_after(text, 0.0) == seconds
