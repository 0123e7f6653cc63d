"""Serving in the foreground: find a port, say where, end cleanly on Ctrl-C."""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import uvicorn

from broadsheet.core.errors import SourceError, UsageError
from broadsheet.web.app import create_app
from broadsheet.web.security import is_loopback

PORT = 8000

#: Ports tried after the one asked for.
NEXT_PORTS = 50


def serve(
    home: Path,
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    next_free_port: bool = False,
    public: bool = False,
    allowed_hosts: Iterable[str] = (),
    background: bool = True,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve the library in `home` until interrupted.

    Args:
        home: The folder that holds all state.
        host: Address to listen on.
        port: Port to listen on; 0 takes any free one.
        next_free_port: When `port` is taken, take the next that is free.
        public: Listen on an address that others can reach. There are no accounts yet: everybody
            who reaches it can read everything.
        allowed_hosts: Names by which readers call this server, besides those of the loopback.
        background: Keep the indexes up to date and fill in vectors meanwhile.
        announce: Told the address as soon as it is known; by default it is printed.

    Raises:
        UsageError: `host` is not the loopback and `public` is false, or has no name to go by.
        SourceError: The port is taken, or the address is not ours.
        NotFound: There is no library in `home`.
    """
    names = list(allowed_hosts)
    if not is_loopback(host):
        names += _public_names(host, names, public=public)
    app = create_app(home, allowed_hosts=names, background=background)
    with contextlib.closing(listen(host, port, next_free_port=next_free_port)) as listener:
        (announce or _print)(address_of(listener, host))
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=5,
        )
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def listen(host: str, port: int, *, next_free_port: bool = False) -> socket.socket:
    """Return a socket bound to the address.

    Raises:
        SourceError: The port is taken, or the address is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    tries = range(port, min(port + NEXT_PORTS, 65_535) + 1) if next_free_port else (port,)
    for number in tries:
        # The protocol is named because asyncio switches Nagle's algorithm off only then; with it,
        # each answer waits 40 ms for the reader's delayed acknowledgement.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, number))
            # Listening here, not later: on Linux two sockets may be bound, only one listens.
            listener.listen(128)
            return listener
        except OSError as error:
            listener.close()
            if error.errno == errno.EADDRINUSE and number != tries[-1]:
                continue
            raise _explain(error, host, number) from None
    raise AssertionError("there is always a port to try")


def address_of(listener: socket.socket, host: str) -> str:
    """Return the address that a reader types."""
    port = listener.getsockname()[1]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _explain(error: OSError, host: str, port: int) -> SourceError:
    if error.errno == errno.EADDRINUSE:
        return SourceError(
            f"port {port} is taken by another process", hint="another --port, or --port 0 for any"
        )
    return SourceError(
        "can't listen there", received=f"{host} port {port}: {error.strerror or error}"
    )


def _public_names(host: str, names: list[str], *, public: bool) -> list[str]:
    if not public:
        raise UsageError(
            "there are no accounts yet: everybody who reaches that address could read everything",
            received=host,
            hint="--public when that is what you want",
        )
    anywhere = host in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
    if anywhere and not names:
        raise UsageError(
            "readers must be able to call the server by a name",
            received=host,
            hint="--allow-host papers.example.org",
        )
    return [] if anywhere else [host]


def _print(address: str) -> None:
    sys.stdout.write(f"Broadsheet is at {address}  (Ctrl-C ends it)\n")
    sys.stdout.flush()
