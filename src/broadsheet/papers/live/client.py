"""One careful GET: bounded in time, bytes and redirects, and honest about what is missing.

Ours rather than httpx's defaults in three points: a deadline over the whole exchange (httpx bounds
each step, and name resolution not at all), a cap on compressed and unpacked bytes, and a cut body
is handed on with its good part instead of thrown away.
"""

from __future__ import annotations

import re
import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx

from broadsheet import __version__
from broadsheet.papers.live.trouble import Kind, Trouble

USER_AGENT = f"broadsheet/{__version__} (self-hosted paper reader)"
_MAX_REDIRECTS = 3
_MAX_RETRY_AFTER_S = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one exchange, in seconds and bytes; `patience_s` is the longest wait in a call."""

    answer_s: float = 60.0
    connect_s: float = 10.0
    read_s: float = 20.0
    patience_s: float = 30.0
    max_bytes: int = 16 << 20
    max_unpacked: int = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back.

    Args:
        cut: Why the body is not whole, "" when it is.
        cut_kind: What to do about it.
    """

    url: str
    status: int
    content_type: str
    body: bytes
    cut: str = ""
    cut_kind: Kind = Kind.FAILING


def get(
    url: str,
    params: Mapping[str, str],
    *,
    limits: Limits,
    now: float,
    limit_s: float,
    limit_kind: Kind = Kind.FAILING,
) -> Answer:
    """Ask once and return the answer, whatever its status below 500 except 429.

    Args:
        now: Unix time, to read a Retry-After that is a date.
        limit_s: Seconds for everything: name resolution, connection, redirects, body.
        limit_kind: The kind of trouble when they are over: `OURS` when the host is not to blame.

    Raises:
        Trouble: No usable answer: unreachable, throttled, failing or over a limit.
    """
    exchange = _Exchange(limits)
    # A thread, since nothing else bounds name resolution or an answer that drips byte by byte.
    threading.Thread(
        target=exchange.run, args=(url, dict(params)), name="fetch", daemon=True
    ).start()
    if not exchange.done.wait(limit_s):
        exchange.stop.set()
        slow = f"no whole answer within {limit_s:.1f} s"
        if not exchange.status:
            raise Trouble(limit_kind, slow)
        exchange.cut, exchange.cut_kind = slow, limit_kind
    elif exchange.error is not None:
        raise exchange.error
    return _judged(exchange, url, now)


def retry_after(text: str, now: float) -> float:
    """Return the seconds a Retry-After header asks for, 0 when it is missing or unreadable.

    Example:
        >>> retry_after("120", 0.0), retry_after("soon", 0.0)
        (120.0, 0.0)
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        seconds = float(text[:9])
    else:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return 0.0
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER_S)


class _Exchange:
    """One request running in its own thread; the asking thread reads it after `done` or a cut."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.done = threading.Event()
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self.status = 0
        self.headers = httpx.Headers()
        self.body = bytearray()
        self.cut = ""
        self.cut_kind = Kind.FAILING

    def run(self, url: str, params: dict[str, str]) -> None:
        """Do the exchange; every outcome is stored, nothing is raised."""
        try:
            self._follow(httpx.URL(url, params=params))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            self.error = Trouble(Kind.UNREACHABLE, f"can't be reached ({_reason(error)})")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if self.status:
                self.cut = f"the answer broke off ({_reason(error)})"
            else:
                self.error = Trouble(Kind.FAILING, f"gave no answer ({_reason(error)})")
        except BaseException as error:  # handed to the asking thread, which raises it
            self.error = error
        finally:
            self.done.set()

    def _follow(self, url: httpx.URL) -> None:
        timeout = httpx.Timeout(self.limits.read_s, connect=self.limits.connect_s)
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip"}
        with httpx.Client(timeout=timeout, headers=headers, follow_redirects=False) as client:
            for _ in range(_MAX_REDIRECTS + 1):
                with client.stream("GET", url) as response:
                    if not response.has_redirect_location:
                        self._read(response)
                        return
                    url = _same_host(url, response.headers["location"])
        raise Trouble(Kind.FAILING, "redirects in a circle")

    def _read(self, response: httpx.Response) -> None:
        self.headers = response.headers
        declared = response.headers.get("content-length", "")
        if declared.isdigit() and int(declared[:18]) > self.limits.max_bytes:
            raise Trouble(Kind.DOUBTFUL, f"announced an answer of {int(declared):,} bytes")
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"identity", "gzip", "x-gzip", ""}:
            raise Trouble(Kind.DOUBTFUL, f"packed its answer as {encoding[:40]}")
        unpacker = zlib.decompressobj(wbits=31) if encoding.endswith("gzip") else None
        self.status = response.status_code
        received = 0
        for chunk in response.iter_raw():
            if self.stop.is_set():
                return
            received += len(chunk)
            room = self.limits.max_unpacked - len(self.body)
            try:
                plain = unpacker.decompress(chunk, room + 1) if unpacker else chunk
            except zlib.error:
                self.cut = "the compressed answer is damaged"
                return
            if received > self.limits.max_bytes or len(plain) > room:
                raise Trouble(Kind.DOUBTFUL, "sent more than the limit for one answer")
            self.body += plain
        if unpacker and not unpacker.eof and received:
            self.cut = "the compressed answer broke off"


def _judged(exchange: _Exchange, url: str, now: float) -> Answer:
    status = exchange.status
    body = bytes(exchange.body)
    wait_s = retry_after(exchange.headers.get("retry-after", ""), now)
    said_so = len(body) < 200 and b"rate exceeded" in body.lower()
    if status in {429, 503} or said_so:
        raise Trouble(Kind.THROTTLED, f"asks us to slow down ({status})", after_s=wait_s)
    if status >= 500:
        raise Trouble(Kind.FAILING, f"answered {status}", after_s=wait_s)
    return Answer(
        url=url,
        status=status,
        content_type=exchange.headers.get("content-type", "")[:100],
        body=body,
        cut=exchange.cut,
        cut_kind=exchange.cut_kind,
    )


def _same_host(url: httpx.URL, location: str) -> httpx.URL:
    target = url.join(location)
    safer = target.scheme == url.scheme or (url.scheme, target.scheme) == ("http", "https")
    if target.netloc != url.netloc or not safer:
        raise Trouble(
            Kind.UNREACHABLE, f"sends us to another place ({target.host[:80] or location[:80]})"
        )
    return target


def _reason(error: Exception) -> str:
    text = re.sub(r"^\[Errno -?\d+\] ", "", " ".join(str(error).split()))
    return text[:120] or type(error).__name__
