"""Every exception becomes one line and a documented exit code."""

from __future__ import annotations

import errno
import sqlite3

import pytest
import typer

from broadsheet.cli.failures import EXIT_CODES, explain
from broadsheet.core import errors


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.NotFound("nothing"), 1),
        (errors.UsageError("what?"), 2),
        (errors.SourceError("down"), 3),
        (errors.BadInput("broken"), 4),
        (errors.PartialResult("half"), 5),
        (typer.BadParameter("no such option"), 2),
        (KeyboardInterrupt(), 130),
        (typer.Abort(), 130),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "a.xml"), 4),
        (PermissionError(errno.EACCES, "Permission denied", "a.xml"), 4),
        (OSError(errno.ENOSPC, "No space left on device", "b"), 5),
        (OSError(errno.EFBIG, "File too large", "b"), 5),
        (sqlite3.OperationalError("database or disk is full"), 5),
        (ZeroDivisionError("a\nb"), 70),
    ],
)
def test_exception_becomes_one_line_with_a_documented_code(error: Exception, code: int) -> None:
    failure = explain(error)
    assert failure.exit_code == code
    assert code in EXIT_CODES
    assert failure.message
    assert "\n" not in failure.message
    assert "Traceback" not in failure.message


@pytest.mark.parametrize(
    ("error", "code"), [(typer.Exit(1), 1), (typer.Exit(0), 0), (BrokenPipeError(), 141)]
)
def test_quiet_endings_print_nothing(error: Exception, code: int) -> None:
    assert explain(error) == explain(error).__class__(code, "")


def test_a_system_error_names_the_file_and_a_way_out() -> None:
    message = explain(FileNotFoundError(errno.ENOENT, "No such file or directory", "a.xml")).message
    assert message == "no such file or directory. Received: a.xml. Try: check the path"


def test_an_unexpected_error_says_how_to_see_more() -> None:
    assert "--debug" in explain(KeyError("x")).message
