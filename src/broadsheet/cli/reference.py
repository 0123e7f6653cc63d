"""The reference page of the command line, written from the help texts.

`python -m broadsheet.cli.reference > docs/reference/cli.md`; a test compares the two.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from broadsheet.cli.failures import EXIT_CODES
from broadsheet.cli.verbs import PROGRAM, VERBS, root_command

_WIDTH = 88


def reference() -> str:
    """Return the page as Markdown: every verb with its help, then the exit codes."""
    root = root_command()
    context = type(root.make_context(PROGRAM, [], resilient_parsing=True))(
        root, info_name=PROGRAM, terminal_width=_WIDTH, help_option_names=["-h", "--help"]
    )
    parts = [
        "# Command line\n",
        "This page is written from the program's own help: `python -m broadsheet.cli.reference`.\n",
        *_section(root, context, level=2),
    ]
    for heading, verbs in VERBS.items():
        parts.append(f"## {heading}\n")
        for verb in verbs:
            command = root.get_command(context, verb)
            child = type(context)(command, info_name=verb, parent=context)
            parts += _section(command, child, level=3)
    codes = "\n".join(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items())
    parts.append(f"## Exit codes\n\n| code | meaning |\n| --- | --- |\n{codes}\n")
    return "\n".join(parts)


def _section(command: Any, context: Any, *, level: int) -> Iterator[str]:
    yield f"{'#' * level} `{context.command_path}`\n"
    lines = [line.rstrip() for line in command.get_help(context).splitlines()]
    yield "```text\n" + "\n".join(lines).strip() + "\n```\n"
    if context.parent is None or not hasattr(command, "list_commands"):
        return
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        child = type(context)(inner, info_name=name, parent=context)
        yield from _section(inner, child, level=level + 1)


if __name__ == "__main__":
    sys.stdout.write(reference())
