"""Errors as pages: what happened, what was received, what to try; never a traceback."""

from __future__ import annotations

import re
from http import HTTPStatus

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from broadsheet.core.errors import (
    BadInput,
    BroadsheetError,
    NotFound,
    PartialResult,
    SourceError,
    UsageError,
)
from broadsheet.web.pages import TWINS, Answer, draw, site_of, to_json
from broadsheet.web.presenters import Paper, present_hit
from broadsheet.web.shapes import Problem

_STATUS: dict[type[BroadsheetError], int] = {
    NotFound: 404,
    UsageError: 400,
    SourceError: 503,
    BadInput: 500,
    PartialResult: 500,
}

#: Papers suggested on a page that does not exist.
SUGGESTIONS = 6


def install(app: FastAPI) -> None:
    """Make every error that a reader can meet a page, or JSON for a JSON twin."""

    @app.exception_handler(BroadsheetError)
    async def of_ours(request: Request, error: Exception) -> Response:
        if not isinstance(error, BroadsheetError):
            raise error
        problem = Problem(
            status=_STATUS.get(type(error), 500),
            error=error.what,
            received=error.received or "",
            hint=error.hint,
        )
        return await run_in_threadpool(_answer, request, problem)

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        text = "there is no such page" if error.status_code == 404 else str(error.detail)
        problem = Problem(
            status=error.status_code, error=text, received=request.url.path[:200], hint=""
        )
        return await run_in_threadpool(_answer, request, problem)

    @app.exception_handler(RequestValidationError)
    async def of_parameters(request: Request, error: Exception) -> Response:
        if not isinstance(error, RequestValidationError):
            raise error
        first = error.errors()[0]
        problem = Problem(
            status=400,
            error=f"{first['loc'][-1]}: {first['msg']}",
            received=str(first.get("input", ""))[:200],
            hint="",
        )
        return await run_in_threadpool(_answer, request, problem)


def _answer(request: Request, problem: Problem) -> Response:
    suffix = next((name for name in TWINS if request.url.path.endswith(f".{name}")), "")
    if suffix == "json" or request.url.path in {"/complete", "/readyz"}:
        return Response(to_json(problem), problem.status, media_type="application/json")
    if suffix:
        lines = [problem.error, problem.received, problem.hint]
        return PlainTextResponse("\n".join(line for line in lines if line) + "\n", problem.status)
    answer = Answer(
        template="error.html",
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        values={
            "status": problem.status,
            "heading": HTTPStatus(problem.status).phrase,
            "message": problem.error[:1].upper() + problem.error[1:] + ".",
            "received": problem.received,
            "hint": problem.hint,
            "suggestions": _suggestions(request) if problem.status == 404 else [],
        },
    )
    return draw(request, answer)


def _suggestions(request: Request) -> list[Paper]:
    """Search for the words of the address that leads nowhere."""
    words = " ".join(re.findall(r"[^\W_]{3,}", request.url.path)[-8:])
    if not words:
        return []
    try:
        found = site_of(request).library.search(words, mode="words", limit=SUGGESTIONS)
    except BroadsheetError:
        return []
    return [present_hit(hit, words=0) for hit in found.hits]
