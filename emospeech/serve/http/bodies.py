"""From a request's body to what is asked: a form with files, or JSON with texts."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from emospeech.serve.http.problems import Problem
from emospeech.serve.http.schemas import TextQuestion, TextQuestions
from emospeech.serve.http.settings import BODY_SLACK, Limits

FORM, JSON = "multipart/form-data", "application/json"
FIELDS = ("audio", "text", "model", "explain")
YES, NO = ("true", "1", "yes", "on"), ("false", "0", "no", "off", "")
LONGEST_ESCAPE = 12  # bytes of a character in JSON: a pair of \uXXXX
JSON_SLACK = 16_384  # bytes around the texts
NAME_LENGTH = 200  # characters of a client's file name that are given back
Q = TypeVar("Q", bound=BaseModel)


@dataclass(frozen=True)
class Item:
    """One clip, one text, or both, as the client sent them."""

    name: str | None  # of the file: told back, and used for nothing else
    audio: UploadFile | None
    text: str | None


@dataclass(frozen=True)
class Asked:
    """A request's items, and what is the same for all of them."""

    items: Sequence[Item]
    model: str | None
    explain: bool

    async def aclose(self) -> None:
        """Let go of the files, however it went."""
        for item in self.items:
            if item.audio is not None:
                await item.audio.close()


async def asked(request: Request, limits: Limits, several: bool) -> Asked:
    """What a request asks.

    Args:
        several: clips or texts may be more than one.

    Raises:
        Problem: if the body is not as it must be.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == FORM:
        return await _of_form(request, limits, several)
    if kind == JSON:
        return await _of_json(request, limits, several)
    raise Problem("unsupported", f"send {FORM} with audio, or {JSON} with text alone; got {kind[:80] or 'no type'!r}")


# ---------------------------------------------------------------------- JSON


async def _of_json(request: Request, limits: Limits, several: bool) -> Asked:
    body = await _whole(request, limits, several)
    if several:
        many = _validated(TextQuestions, body)
        _require_few(len(many.texts), limits)
        return Asked([_item(None, text, limits) for text in many.texts], many.model, many.explain)
    one = _validated(TextQuestion, body)
    return Asked([_item(None, one.text, limits)], one.model, one.explain)


async def _whole(request: Request, limits: Limits, several: bool) -> bytes:
    """
    Raises:
        Problem: if there is more of it than the texts can be; a larger one would stop the server while it is parsed.
    """
    characters = limits.max_characters * (limits.max_batch_files if several else 1)
    most = LONGEST_ESCAPE * characters + JSON_SLACK
    whole = bytearray()
    with _hung_up():
        async for part in request.stream():
            whole += part
            if len(whole) > most:
                raise Problem("too_large", f"the JSON is larger than the {most} bytes that this server takes")
    return bytes(whole)


def _validated(schema: type[Q], body: bytes) -> Q:
    try:
        return schema.model_validate(json.loads(body))
    except ValidationError as error:
        found = [f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in error.errors()]
        raise Problem("invalid", "; ".join(found[:10])) from None
    except (ValueError, RecursionError) as error:
        raise Problem("bad_request", f"the body is no JSON: {error}") from None


# ---------------------------------------------------------------------- forms


async def _of_form(request: Request, limits: Limits, several: bool) -> Asked:
    most = limits.max_batch_files if several else 1
    parser = MultiPartParser(
        request.headers,
        request.stream(),
        max_files=most,
        max_fields=most + len(FIELDS),
        max_part_size=4 * limits.max_characters + 1024,
    )
    parser.spool_max_size = limits.max_bytes + BODY_SLACK  # uploads stay in memory: never on a disk
    try:
        with _hung_up():
            form = await parser.parse()
    except MultiPartException as error:
        code = "too_large" if error.message.startswith(("Too many", "Part exceeded")) else "bad_request"
        raise Problem(code, f"the form cannot be read: {error.message}") from None
    try:
        return _asked_by(form, limits, several)
    except Problem:
        await form.close()
        raise


def _asked_by(form: FormData, limits: Limits, several: bool) -> Asked:
    unknown = sorted({key for key in form if key not in FIELDS})
    if unknown:
        raise Problem("invalid", f"unknown fields {', '.join(unknown)[:200]}; known: {', '.join(FIELDS)}")
    uploads, texts = form.getlist("audio"), form.getlist("text")
    files = [one for one in uploads if isinstance(one, UploadFile)]
    if len(files) < len(uploads):
        raise Problem("invalid", "audio should be a file, as curl sends with -F audio=@clip.wav")
    if any(not isinstance(one, str) for one in texts):
        raise Problem("invalid", "text should be a field, no file")
    if sum(file.size or 0 for file in files) > limits.max_bytes:
        raise Problem("too_large", f"the audio is larger than the {limits.max_bytes / 1e6:g} MB that this server takes")
    pairs = _paired(files, [str(text) for text in texts], several)
    _require_few(len(pairs), limits if several else None)
    items = [_item(audio, text, limits) for audio, text in pairs]
    return Asked(items, _word(form, "model"), _flag(form, "explain"))


def _paired(
    files: Sequence[UploadFile], texts: Sequence[str], several: bool
) -> list[tuple[UploadFile | None, str | None]]:
    """Each clip with its text."""
    if not several and (len(files) > 1 or len(texts) > 1):
        raise Problem("invalid", "one clip and one text at most; several go to /v1/predict/batch")
    if files and texts and len(files) != len(texts):
        raise Problem("invalid", f"{len(files)} clips and {len(texts)} texts; give a text for each clip, or none")
    if files:
        words: Sequence[str | None] = texts or [None] * len(files)
        return list(zip(files, words, strict=True))
    return [(None, text) for text in texts] or [(None, None)]


def _require_few(count: int, limits: Limits | None) -> None:
    if limits is not None and count > limits.max_batch_files:
        raise Problem("too_large", f"{count} at once; this server takes {limits.max_batch_files}")


def _item(audio: UploadFile | None, text: str | None, limits: Limits) -> Item:
    """
    Raises:
        Problem: if there is neither clip nor text, or too much text.
    """
    text = (text or "").strip() or None
    if text is not None and len(text) > limits.max_characters:
        raise Problem("too_much_text", f"{len(text)} characters of text; this server takes {limits.max_characters}")
    if text is not None and any("\ud800" <= sign <= "\udfff" for sign in text):
        raise Problem("invalid", "text: half of a surrogate pair is no character")
    if audio is None and text is None:
        raise Problem("nothing", "there is nothing to answer: give audio, text, or both")
    return Item(_shown(audio), audio, text)


def _shown(audio: UploadFile | None) -> str | None:
    """A client's file name without control characters; only to be told back."""
    if audio is None:
        return None
    return "".join(sign for sign in audio.filename or "audio" if sign.isprintable())[:NAME_LENGTH] or "audio"


def _word(form: FormData, key: str) -> str | None:
    values = form.getlist(key)
    if len(values) > 1 or any(not isinstance(value, str) for value in values):
        raise Problem("invalid", f"{key} should be one field")
    return (str(values[0]).strip() or None) if values else None


def _flag(form: FormData, key: str) -> bool:
    told = (_word(form, key) or "").lower()
    if told not in YES + NO:
        raise Problem("invalid", f"{key} should be true or false, got {told[:40]!r}")
    return told in YES


@contextmanager
def _hung_up() -> Iterator[None]:
    try:
        yield
    except ClientDisconnect:
        raise Problem("bad_request", "the client went away before its request was whole") from None


def documented(several: bool) -> dict[str, Any]:
    """What OpenAPI is to say of a body that FastAPI does not read itself."""
    schema = (TextQuestions if several else TextQuestion).model_json_schema()
    audio: dict[str, Any] = {"type": "string", "format": "binary", "description": "wav, flac, mp3, ogg, webm, m4a …"}
    text: dict[str, Any] = {"type": "string", "description": "What is said."}
    if several:
        audio, text = {"type": "array", "items": audio}, {"type": "array", "items": text}
    form = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "audio": audio,
            "text": text,
            "model": {"type": "string", "description": "One of /v1/models; the first where it is not told."},
            "explain": {"type": "boolean", "description": "With attention over time and words."},
        },
        "anyOf": [{"required": ["audio"]}, {"required": ["text"]}],
    }
    examples = schema.pop("examples", None)
    content: dict[str, Any] = {FORM: {"schema": form}, JSON: {"schema": schema}}
    if examples:
        content[JSON]["example"] = examples[0]
    return {"requestBody": {"required": True, "content": content}}
