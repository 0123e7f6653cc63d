"""The gate every request passes: host list, origin check, size cap, security headers.

One plain ASGI middleware, outermost, so that no answer leaves without its headers; also errors
that nobody foresaw are answered here, without a traceback.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger(__name__)

#: Names by which this machine calls itself; always allowed in the Host header.
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

#: Longest query string we read, in bytes.
MAX_QUERY_BYTES = 4096

#: Longest path we read, in bytes.
MAX_PATH_BYTES = 2048

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def is_loopback(host: str) -> bool:
    """Tell whether `host` names this machine only.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
        (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def host_name(host_header: str) -> str:
    """Return the name inside a Host header, lower case, without port; "" when it is malformed.

    Example:
        >>> host_name("Localhost:8000"), host_name("[::1]:8000"), host_name("a@b")
        ('localhost', '::1', '')
    """
    try:
        parts = urlsplit(f"//{host_header}")
        parts.port  # noqa: B018 - reading it validates it
    except ValueError:
        return ""
    if parts.username is not None or parts.path or parts.query or parts.fragment:
        return ""
    return (parts.hostname or "").rstrip(".")


class Gatekeeper:
    """Lets a request in when it comes from where it should, and dresses the answer.

    Args:
        app: The application behind the gate.
        allowed_hosts: Names accepted in the Host header besides those of the loopback. A page on
            another site that points its own name at 127.0.0.1 (DNS rebinding) is refused by it.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._hosts = LOOPBACK_NAMES | {name.lower().strip("[]") for name in allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        head = scope["method"] == "HEAD"
        answer = _Answer(send, scope, without_body=head)
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, answer.send)
            return
        inner = {**scope, "method": "GET"} if head else scope
        try:
            await self._app(inner, receive, answer.send)
        except Exception:
            _log.exception("unforeseen error at %s", scope["path"])
            if answer.started:
                raise
            sorry = PlainTextResponse(
                "Something went wrong inside Broadsheet. The server's log says what.\n", 500
            )
            await sorry(scope, receive, answer.send)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        if host_name(headers.get("host", "")) not in self._hosts:
            return PlainTextResponse(
                "This server does not answer to that host name. "
                "Its owner can allow it with --allow-host NAME.\n",
                421,
            )
        if len(scope["query_string"]) > MAX_QUERY_BYTES or len(scope["path"]) > MAX_PATH_BYTES:
            return PlainTextResponse("The address is too long.\n", 414)
        if scope["method"] not in _SAFE_METHODS and not comes_from_here(headers):
            return PlainTextResponse("Changes are taken only from our own pages.\n", 403)
        return None


def comes_from_here(headers: Headers) -> bool:
    """Tell whether a state-changing request was sent by one of our own pages.

    Browsers send `Sec-Fetch-Site`, and `Origin` with every POST. A request with neither is refused.
    """
    site = headers.get("sec-fetch-site")
    if site is not None and site not in {"same-origin", "none"}:
        return False
    origin = headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    return site is not None


class _Answer:
    """Wraps `send`: adds the headers, and drops the body of answers to HEAD."""

    def __init__(self, send: Send, scope: Scope, *, without_body: bool) -> None:
        self._send = send
        self._without_body = without_body
        self._versioned = scope["path"].startswith("/static/") and scope["query_string"].startswith(
            b"v="
        )
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            if self._versioned and message["status"] == 200:
                headers["Cache-Control"] = "public, max-age=31536000, immutable"
            else:
                headers.setdefault("Cache-Control", "no-cache")
        elif self._without_body and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)
