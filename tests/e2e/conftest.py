"""A served library of invented papers, and a real browser to read it with."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from broadsheet.papers import editions
from broadsheet.papers.ingest import ingest
from broadsheet.papers.library import Library
from broadsheet.web.app import create_app
from broadsheet.web.server import address_of, listen

TODAY = "2025-09-02"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_browser() -> str:
    """Return the path of a Chromium: `BROADSHEET_BROWSER`, else one on the path, else ""."""
    named = os.environ.get("BROADSHEET_BROWSER")
    return named or next((path for name in _NAMES if (path := shutil.which(name))), "")


#: Looked up before tests clean the environment.
BROWSER = find_browser()


@dataclass(frozen=True, slots=True)
class Served:
    """A running server."""

    address: str
    library: Library


@pytest.fixture(scope="session")
def server(golden: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The invented papers, served with the background work running."""
    home = tmp_path_factory.mktemp("e2e") / "home"
    with Library(home, create=True) as library:
        ingest(library.store, [str(golden / "web")])
        editions.publish_all(library.store, TODAY)
        library.refresh()
    app = create_app(home, background=True)
    with listen("127.0.0.1", 0) as listener:
        config = uvicorn.Config(app, log_level="warning", access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Served(address_of(listener, "127.0.0.1").rstrip("/"), app.state.site.library)
        finally:
            server.should_exit = True
            thread.join(30)


@pytest.fixture
def served(server: Served, golden: Path, monkeypatch: pytest.MonkeyPatch) -> Served:
    """The server, on a fixed day, with invented cards and reports in place of our own."""
    monkeypatch.setattr("broadsheet.core.card.systems_folder", lambda: golden / "systems")
    for module in ("broadsheet.core.report", "broadsheet.web.leaderboard"):
        monkeypatch.setattr(f"{module}.results_folder", lambda: golden / "reports")
    monkeypatch.setenv("BROADSHEET_NOW", f"{TODAY}T12:00:00+00:00")
    return server


# By module: while Playwright is open its event loop runs, and no other test could start one.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium, or a skip that is counted."""
    if not BROWSER:
        pytest.skip("no Chromium here (set BROADSHEET_BROWSER)")
    from playwright import sync_api

    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=BROWSER, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser: Any, served: Served) -> Iterator[Callable[..., Any]]:
    """Open a page in a fresh context; at the end, nothing may have gone wrong in it.

    What the browser complains about (errors of scripts, refused by the policy, requests that leave
    this machine) fails the test.
    """
    contexts, complaints = [], []

    def opened(path: str, *, strict: bool = True, **options: Any) -> Any:
        options.setdefault("viewport", {"width": 1280, "height": 900})
        context = browser.new_context(base_url=served.address, **options)
        contexts.append(context)
        page = context.new_page()
        if strict:
            page.on("pageerror", lambda error: complaints.append(f"{path}: {error}"))
            page.on(
                "console",
                lambda told: (
                    complaints.append(f"{path}: {told.text}")
                    if told.type in {"error", "warning"}
                    else None
                ),
            )
            page.on(
                "request",
                lambda asked: (
                    complaints.append(f"{path} asks {asked.url}")
                    if not asked.url.startswith((served.address, "data:"))
                    else None
                ),
            )
        page.goto(path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
