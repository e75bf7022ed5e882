"""What goes wrong, as the client reads it: problem+json (RFC 9457) with a `code` that programs can tell apart."""

import math
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"
FAILED = "the server could not answer this; its log says why"
# code -> status
CODES: Mapping[str, int] = {
    "bad_request": 400,
    "no_key": 401,
    "wrong_host": 421,
    "foreign_page": 403,
    "not_found": 404,
    "wrong_method": 405,
    "slow_body": 408,
    "conflict": 409,
    "too_large": 413,
    "unsupported": 415,
    "not_audio": 415,
    "invalid": 422,
    "nothing": 422,
    "audio_needed": 422,
    "text_needed": 422,
    "empty": 422,
    "too_short": 422,
    "too_long": 413,
    "silent": 422,
    "too_much_text": 413,
    "busy": 429,
    "failed": 500,
    "going_down": 503,
    "not_ready": 503,
    "timeout": 504,
}
BY_STATUS = {404: "not_found", 405: "wrong_method", 400: "bad_request", 415: "unsupported", 413: "too_large"}


class Problem(HTTPException):
    """An answer that is a problem. Of Starlette's kind, so that whoever reads a body lets it through."""

    def __init__(self, code: str, detail: str, retry_after: float | None = None) -> None:
        told = {} if retry_after is None else {"Retry-After": str(max(1, math.ceil(retry_after)))}
        super().__init__(CODES[code], detail, told | ({"WWW-Authenticate": "Bearer"} if code == "no_key" else {}))
        self.code, self.retry_after = code, retry_after

    def __str__(self) -> str:
        return self.detail

    @property
    def status(self) -> int:
        return self.status_code

    def as_dict(self) -> dict[str, Any]:
        title = HTTPStatus(self.status).phrase
        return {
            "type": "about:blank",
            "title": title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }

    def response(self) -> JSONResponse:
        return JSONResponse(self.as_dict(), self.status, self.headers, media_type=MEDIA_TYPE)


def install(app: FastAPI, count: Callable[[str], None]) -> None:
    """Every error of the app as a problem; what nobody foresaw is logged by the server and told without its insides.

    Args:
        count: is given the code of each.
    """

    def answered(problem: Problem) -> JSONResponse:
        count(problem.code)
        return problem.response()

    @app.exception_handler(Problem)
    async def told(request: Request, problem: Problem) -> JSONResponse:
        return answered(problem)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        found = [f"{'.'.join(map(str, one['loc'][1:])) or one['loc'][0]}: {one['msg']}" for one in error.errors()]
        return answered(Problem("invalid", "; ".join(found)))

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        code = BY_STATUS.get(error.status_code, "bad_request")
        response = answered(Problem(code, str(error.detail)))
        response.headers.update(error.headers or {})  # Allow, of a wrong method
        return response

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        return answered(Problem("failed", FAILED))
