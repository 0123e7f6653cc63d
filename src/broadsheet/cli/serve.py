"""`serve`: the pages, in the foreground."""

from __future__ import annotations

from typing import Annotated

import typer

from broadsheet.cli.options import Home, examples, verbs

app = verbs()


@app.command(
    epilog=examples(
        "broadsheet serve",
        "broadsheet serve --port 9000 --open",
        "broadsheet serve --host 192.0.2.7 --public",
    )
)
def serve(
    *,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes any free one.")
    ] = 8000,
    next_free: Annotated[
        bool, typer.Option("--next-free", help="When the port is taken, take the next free one.")
    ] = False,
    public: Annotated[
        bool, typer.Option("--public", help="Allow an address that others can reach.")
    ] = False,
    allow_host: Annotated[
        list[str] | None, typer.Option("--allow-host", metavar="NAME", help="A name readers use.")
    ] = None,
    background: Annotated[
        bool, typer.Option(help="Keep indexes and vectors up to date meanwhile.")
    ] = True,
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open the first page in the browser.")
    ] = False,
    home: Home,
) -> None:
    """Serve the pages on this machine until Ctrl-C."""
    from broadsheet.web.server import serve as run

    def announce(address: str) -> None:
        typer.echo(f"Broadsheet is at {address}  (Ctrl-C ends it)")
        if open_browser:
            import webbrowser

            webbrowser.open(address)

    run(
        home,
        host=host,
        port=port,
        next_free_port=next_free,
        public=public,
        allowed_hosts=allow_host or (),
        background=background,
        announce=announce,
    )
