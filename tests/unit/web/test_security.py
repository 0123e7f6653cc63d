"""What must never happen: foreign hosts and origins, live markup, leaked tracebacks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lxml import html
from starlette.datastructures import Headers
from starlette.testclient import TestClient

from broadsheet.web.app import create_app
from broadsheet.web.security import comes_from_here, host_name, is_loopback

from .conftest import ADDRESS, library_of

PAGES = [
    "/",
    "/d/2025-09-02",
    "/w/2025-W36",
    "/m/2025-09",
    "/calendar/2025-09",
    "/trending",
    "/new",
    "/search?q=hostile",
    "/search?q=%3Cscript%3Ealert(8)%3C/script%3E",
    "/search?q=%22%20onfocus=alert(9)%20x=%22",
    "/help",
    "/stats",
    "/sources",
    "/about",
    "/author/Mallory%20%22%3E%3Cscript%3Ealert(6)%3C%2Fscript%3E",
    "/nothing/<script>alert(10)</script>",
]


def test_every_answer_carries_the_headers(client: TestClient) -> None:
    tag = client.get("/").headers["etag"]
    answers = [
        client.get("/"),
        client.get("/", headers={"if-none-match": tag}),
        client.get("/today.json"),
        client.get("/nothing"),
        client.get("/static/reader.js"),
        client.get("/", headers={"host": "evil.example"}),
        client.post("/search"),
        client.get("/w"),
    ]
    assert [answer.status_code for answer in answers] == [200, 304, 200, 404, 200, 421, 403, 307]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "set-cookie" not in answer.headers
        assert "server" not in answer.headers


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:8000", 200),
        ("[::1]:8000", 200),
        ("LOCALHOST.", 200),
        ("papers.example.org", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 421),
        ("", 421),
        ("127.0.0.1:x", 421),
    ],
)
def test_only_known_host_names_are_answered(web_home: Path, host: str, status: int) -> None:
    app = create_app(web_home, allowed_hosts=["Papers.example.org"])
    with TestClient(app, base_url=ADDRESS) as reader:
        assert reader.get("/healthz", headers={"host": host}).status_code == status


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, False),
        ({"origin": "http://localhost:8000"}, True),
        ({"origin": "http://localhost:8000", "sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site", "origin": "http://localhost:8000"}, False),
        ({"sec-fetch-site": "same-origin", "origin": "http://evil.example"}, False),
        ({"origin": "http://localhost:9000"}, False),
        ({"origin": "null"}, False),
    ],
)
def test_changes_are_taken_only_from_our_own_pages(headers: dict[str, str], expected: bool) -> None:
    assert comes_from_here(Headers({"host": "localhost:8000", **headers})) is expected


def test_refused_changes_never_reach_a_route(client: TestClient) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert client.request(method, "/").status_code == 403
        answer = client.request(method, "/", headers={"origin": ADDRESS})
        assert answer.status_code == 405
        assert "html" in answer.headers["content-type"]


def test_too_long_addresses_are_refused(client: TestClient) -> None:
    assert client.get("/search?q=" + "a" * 5000).status_code == 414
    assert client.get("/d/" + "1" * 3000).status_code == 414


@pytest.mark.parametrize("path", PAGES)
def test_no_page_holds_live_markup_from_records(client: TestClient, path: str) -> None:
    _inert(client, path)


def test_no_view_of_a_hostile_paper_is_live(client: TestClient) -> None:
    for number in ("2508.20001", "2508.20002", "2508.20003"):
        work = library_of(client).find(f"arXiv:{number}")
        for tab in ("", "/related", "/versions", "/records", "/cite"):
            _inert(client, f"/p/{work.id}{tab}")


def _inert(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in {200, 404}
    tree = html.fromstring(answer.text)
    for script in tree.cssselect("script"):
        assert script.get("src", "").startswith("/static/")
        assert not (script.text or "").strip()
    for element in tree.iter():
        if not isinstance(element.tag, str):
            continue
        assert element.tag not in {"iframe", "object", "embed", "style", "base"}
        for name, value in element.attrib.items():
            assert not name.lower().startswith("on"), (path, name)
            assert name != "style", path
            if name in {"href", "src", "action"}:
                assert re.match(r"(https?://|/(?!/)|#)", value), (path, value)
    assert not tree.cssselect("img")


def test_links_to_elsewhere_tell_nothing_about_us(client: TestClient) -> None:
    for path in ("/", "/trending", "/p/2508.30001"):
        answer = client.get(path, follow_redirects=True)
        for link in html.fromstring(answer.text).cssselect('a[href^="http"]'):
            assert link.get("rel") == "noopener noreferrer"


def test_math_is_set_and_hostile_math_is_shown_as_source(client: TestClient) -> None:
    good = client.get(f"/p/{library_of(client).find('arXiv:2508.20001').id}").text
    assert "<math" in good
    bad = client.get(f"/p/{library_of(client).find('arXiv:2508.20002').id}").text
    assert "&lt;script&gt;alert(1)" in bad
    assert "<img" not in bad


def test_an_unforeseen_error_shows_no_traceback(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(library_of(client), "search", broken)
    answer = client.get("/search?q=a")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert "content-security-policy" in answer.headers
    assert "secret detail" in caplog.text


def test_unchanged_pages_are_not_sent_again(client: TestClient) -> None:
    for path in ("/", "/search?q=models", "/today.atom", "/opml", "/calendar/2025-08"):
        first = client.get(path)
        again = client.get(path, headers={"if-none-match": f'"x", {first.headers["etag"]}'})
        assert (again.status_code, again.content) == (304, b"")
        assert first.headers["cache-control"] == "no-cache"
    assert client.get("/", headers={"if-none-match": '"other"'}).status_code == 200


def test_assets_are_kept_for_ever_under_their_version(client: TestClient) -> None:
    page = html.fromstring(client.get("/").text)
    for link in page.cssselect("link[rel=stylesheet], script"):
        answer = client.get(link.get("href") or link.get("src"))
        assert "immutable" in answer.headers["cache-control"]
    assert client.get("/static/page.css").headers["cache-control"] == "no-cache"
    assert client.get("/static/../app.py").status_code == 404


def test_head_gives_headers_alone(client: TestClient) -> None:
    answer = client.head("/")
    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["etag"]


def test_pages_are_compressed(client: TestClient) -> None:
    answer = client.get("/", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"


def test_names_of_hosts() -> None:
    assert [is_loopback(host) for host in ("127.8.8.8", "::1", "[::1]", "192.0.2.1", "x")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert host_name("Example.org.:80") == "example.org"
    assert host_name("a/b") == ""
