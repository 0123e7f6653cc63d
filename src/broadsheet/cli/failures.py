"""From any exception to one line on standard error and an exit code.

0 done · 1 nothing found · 2 usage · 3 source, network or another process · 4 bad input ·
5 partly done · 70 a fault of ours · 130 interrupted (Ctrl-C) · 141 the reader of our output left
"""

from __future__ import annotations

import errno
from dataclasses import dataclass

import typer

from broadsheet.core.errors import (
    BadInput,
    BroadsheetError,
    NotFound,
    PartialResult,
    SourceError,
    UsageError,
)

#: Exit codes with their meaning, as the documentation prints them.
EXIT_CODES = {
    0: "done",
    NotFound.exit_code: "nothing found: the question was fine, the answer is empty",
    UsageError.exit_code: "usage: the command, an option or a query was not understood",
    SourceError.exit_code: "a network source or another process did not do its part",
    BadInput.exit_code: "bad input: a file, a record or a folder is not what it should be",
    PartialResult.exit_code: "partly done: what was good is kept, the message says what is missing",
    70: "a fault in Broadsheet itself; `--debug` shows where",
    130: "interrupted with Ctrl-C; what was done is kept",
    141: "the program that read the output stopped reading, as `head` does",
}

#: The base class of what typer raises for a command line it doesn't understand.
_TyperComplaint: type[BaseException] = typer.BadParameter.__mro__[2]
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True, slots=True)
class Failure:
    """How a run ended: its exit code and the line to print ("" for none)."""

    exit_code: int
    message: str = ""


def explain(error: BaseException) -> Failure:
    """Return the exit code and the one line that tell a user what went wrong.

    Example:
        >>> explain(NotFound("no such paper", received="2401.99999"))
        Failure(exit_code=1, message='no such paper. Received: 2401.99999')
    """
    if isinstance(error, BroadsheetError):
        return Failure(error.exit_code, str(error))
    if isinstance(error, typer.Exit):
        return Failure(error.exit_code)
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        hint = "what was done is kept. Try: run the same command again"
        return Failure(130, f"interrupted; {hint}")
    if isinstance(error, _TyperComplaint):
        return _explain_usage(error)
    if isinstance(error, SystemExit):
        return Failure(error.code if isinstance(error.code, int) else int(bool(error.code)))
    if isinstance(error, BrokenPipeError):
        return Failure(141)
    if isinstance(error, OSError):
        return _explain_system(error)
    if type(error).__module__ == "sqlite3" and "full" in str(error):
        return _disk_full(None)
    what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return Failure(
        70,
        f"a fault in Broadsheet itself. Received: {what}. "
        "Try: the same command as `broadsheet --debug ...` and report what it prints",
    )


def _explain_usage(error: BaseException) -> Failure:
    what = " ".join(error.format_message().split()).rstrip(".")  # type: ignore[attr-defined]
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "broadsheet"
    return Failure(UsageError.exit_code, f"{what}. Try: {path} --help")


def _explain_system(error: OSError) -> Failure:
    if error.errno in _FULL:
        return _disk_full(error.filename)
    what = error.strerror or " ".join(str(error).split()) or type(error).__name__
    hints = {
        errno.ENOENT: "check the path",
        errno.EACCES: "check who owns the file and may read and write it",
        errno.EROFS: "choose another folder with --home",
        errno.EMFILE: "raise the limit of open files (ulimit -n)",
    }
    complaint = BadInput(
        what[0].lower() + what[1:],
        received=error.filename,
        hint=hints.get(error.errno or 0, ""),
    )
    return Failure(complaint.exit_code, str(complaint))


def _disk_full(filename: object) -> Failure:
    complaint = PartialResult(
        "the disk is full; everything stored before is kept",
        received=filename,
        hint="free some space and run the same command again",
    )
    return Failure(complaint.exit_code, str(complaint))
