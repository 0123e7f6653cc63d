"""The command line: `broadsheet VERB ...`. Thin: it asks the library and prints the answer.

`main` is the console entry. Verb modules are imported only when their verb is used.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from broadsheet.cli.failures import explain
from broadsheet.cli.verbs import PROGRAM, root_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code.

    Args:
        arguments: What follows the program's name; `sys.argv[1:]` when None.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    # One matrix row by a small matrix: a second thread costs more CPU than it saves.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    command = root_command()
    if "_BROADSHEET_COMPLETE" in os.environ:
        command.main(words, prog_name=PROGRAM)
    debug = False
    try:
        with command.make_context(PROGRAM, words) as context:
            debug = bool(context.params.get("debug"))
            command.invoke(context)
        sys.stdout.flush()
    except BaseException as error:
        return _report(error, debug=debug)
    return 0


def _report(error: BaseException, *, debug: bool) -> int:
    failure = explain(error)
    if debug and failure.message:
        import traceback

        traceback.print_exception(error)
    if isinstance(error, BrokenPipeError):
        # Nobody reads any more: keep the interpreter from complaining when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    elif failure.message:
        try:
            sys.stdout.flush()
        except OSError as second:
            failure = explain(second)
        print(f"{PROGRAM}: {failure.message}", file=sys.stderr)  # noqa: T201
    return failure.exit_code
