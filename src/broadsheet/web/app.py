"""The application: one home folder served over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles

from broadsheet import __version__
from broadsheet.papers.library import Library
from broadsheet.web import failures
from broadsheet.web.background import Worker, fill_active_encoder
from broadsheet.web.rankings import warm
from broadsheet.web.routes import (
    days,
    desk,
    editions,
    leaderboard,
    papers,
    periods,
    search,
    systems,
    trending,
)
from broadsheet.web.security import Gatekeeper
from broadsheet.web.site import Site

#: Smallest answer that is compressed, and how hard.
COMPRESS_FROM_BYTES = 700
COMPRESS_LEVEL = 6


def create_app(
    home: Path, *, allowed_hosts: Iterable[str] = (), background: bool = False
) -> FastAPI:
    """Return the application over the library in `home`.

    Args:
        home: The folder that holds all state.
        allowed_hosts: Names taken in the Host header besides those of the loopback.
        background: Keep the indexes up to date and fill in vectors while serving.

    Raises:
        NotFound: There is no library in `home`.
        BadInput: The store is damaged or of a newer version.
    """
    library = Library(home)
    worker = Worker(library, fill_active_encoder) if background else None
    site = Site(library, worker, warm)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        site.start()
        yield
        site.stop()

    app = FastAPI(
        title="Broadsheet",
        version=__version__,
        description="Every page of Broadsheet as data. Each JSON answer is "
        '`{"schema_version": 1, "data": ...}`.',
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.site = site
    modules = (editions, periods, trending, days, search, papers, systems, leaderboard, desk)
    for module in modules:
        app.include_router(module.router)
    static = Path(__file__).parent / "static"
    app.mount("/static", StaticFiles(directory=static), name="static")
    failures.install(app)
    app.add_middleware(
        GZipMiddleware, minimum_size=COMPRESS_FROM_BYTES, compresslevel=COMPRESS_LEVEL
    )
    app.add_middleware(Gatekeeper, allowed_hosts=tuple(allowed_hosts))
    return app
