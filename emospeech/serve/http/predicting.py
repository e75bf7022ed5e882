"""The routes that answer: one question, or several."""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from fastapi import APIRouter, Request

from emospeech import __version__
from emospeech.data.audio import SAMPLE_RATE
from emospeech.serve.engine.asked import Part, Question, Reply
from emospeech.serve.engine.batching import Closed, Done, Full
from emospeech.serve.engine.served import ServedModel
from emospeech.serve.engine.sound import Unheard, heard
from emospeech.serve.http import bodies, schemas
from emospeech.serve.http.bodies import Asked, Item
from emospeech.serve.http.problems import FAILED, MEDIA_TYPE, Problem
from emospeech.serve.http.state import Behind, Server
from emospeech.systems.base import MAIN_TASK

DECODERS = 4  # clips that are decoded at once
HANG_UP_SECONDS = 0.25  # between two looks at whether the client is still there
BUSY_SECONDS = 2.0
T = TypeVar("T")
LOG = logging.getLogger("uvicorn.error")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI is to say of them."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
    return {status: {"description": "A problem.", "content": content} for status in statuses}


OFTEN = problems(400, 401, 403, 404, 408, 413, 415, 421, 422, 429, 500, 503, 504)


@dataclass(frozen=True)
class _Decoded:
    waveform: np.ndarray | None
    seconds: float  # that it took


def router(server: Server) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["predict"])
    answering = _Answering(server)

    @routes.post(
        "/predict",
        response_model=schemas.Prediction,
        responses=OFTEN,
        openapi_extra=bodies.documented(several=False),
        summary="One clip, one text, or both",
    )
    async def predict(request: Request) -> schemas.Prediction:
        began = time.perf_counter()
        asked = await bodies.asked(request, server.limits, several=False)
        async with aclosing(asked):
            work = answering.one(asked, asked.items[0], server.behind(asked.model), began)
            return await _while_there(request, work, server.limits.timeout)

    @routes.post(
        "/predict/batch",
        response_model=schemas.Predictions,
        responses=OFTEN,
        openapi_extra=bodies.documented(several=True),
        summary="Several clips, or several texts",
    )
    async def predict_batch(request: Request) -> schemas.Predictions:
        began = time.perf_counter()
        asked = await bodies.asked(request, server.limits, several=True)
        async with aclosing(asked):
            behind = server.behind(asked.model)
            turns = asyncio.Semaphore(server.limits.batch)  # else one request fills the queue of all
            work = asyncio.gather(*(answering.one_of(asked, item, behind, began, turns) for item in asked.items))
            results = await _while_there(request, work, server.limits.timeout)
        if all(isinstance(one, schemas.Failure) and one.error.code == "busy" for one in results):
            raise Problem("busy", "too many questions wait; try again", BUSY_SECONDS)
        return schemas.Predictions(results=results)

    return routes


async def _while_there(request: Request, work: Awaitable[T], timeout: float) -> T:
    """Its result, unless the client hangs up or time is over: then it is given up.

    Raises:
        Problem: if so.
    """
    task = asyncio.ensure_future(work)
    until = time.monotonic() + timeout
    try:
        while True:
            done, _ = await asyncio.wait({task}, timeout=HANG_UP_SECONDS)
            if done:
                return task.result()
            if await request.is_disconnected():
                raise Problem("bad_request", "the client went away")
            if time.monotonic() > until:
                raise Problem("timeout", f"no answer within {timeout:g} s; give a shorter clip, or try later", 5)
    finally:
        task.cancel()


class _Answering:
    """From items to predictions."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.decoders = ThreadPoolExecutor(DECODERS, thread_name_prefix="decoder")

    async def one_of(
        self, asked: Asked, item: Item, behind: Behind, began: float, turns: asyncio.Semaphore
    ) -> schemas.Prediction | schemas.Failure:
        """As `one`, when its turn comes; what is wrong with one item does not concern the others."""
        try:
            async with turns:
                return await self.one(asked, item, behind, began)
        except Problem as problem:
            if problem.code in ("going_down",):
                raise
            found = problem
        except Exception as error:
            LOG.error("an item of a batch could not be answered", exc_info=error)
            found = Problem("failed", FAILED)
        self.server.metrics.problems.labels(found.code).inc()
        return schemas.Failure(name=item.name, error=schemas.ProblemDetails(**found.as_dict()))

    async def one(self, asked: Asked, item: Item, behind: Behind, began: float) -> schemas.Prediction:
        """
        Raises:
            Problem: if it cannot be answered.
        """
        model = behind.model
        decoded = await self._decoded(item)
        question = Question(decoded.waveform, item.text, asked.explain)
        self._require(question, model)
        done = await self._asked_of(behind, question)
        metrics = self.server.metrics
        metrics.waited.labels(model.name).observe(done.waited)
        metrics.model_seconds.labels(model.name).observe(done.worked)
        metrics.batches.labels(model.name).observe(done.batch)
        metrics.predictions.labels(model.name, done.value.verdicts[MAIN_TASK].label).inc()
        return prediction(item, question, done, model, decoded.seconds, began)

    async def _decoded(self, item: Item) -> _Decoded:
        if item.audio is None:
            return _Decoded(None, 0.0)
        began = time.perf_counter()
        longest, name, upload = self.server.limits.max_seconds, item.name or "audio", item.audio
        loop = asyncio.get_running_loop()
        try:
            waveform = await loop.run_in_executor(self.decoders, heard, upload.file, name, longest)
        except Unheard as error:
            raise Problem(error.code, str(error)) from None
        finally:
            await upload.close()
        self.server.metrics.audio.inc(len(waveform) / SAMPLE_RATE)
        return _Decoded(waveform, time.perf_counter() - began)

    @staticmethod
    def _require(question: Question, model: ServedModel) -> None:
        lacking = model.lacks(question)
        if lacking == "audio":
            raise Problem("audio_needed", f"the model {model.name} hears speech: give audio")
        if lacking == "text":
            raise Problem(
                "text_needed",
                f"the model {model.name} reads, and this server writes no transcripts: give text "
                "(or start the server with --whisper)",
            )

    async def _asked_of(self, behind: Behind, question: Question) -> Done[Reply]:
        try:
            future = behind.batcher.submit(question)
        except Full as full:
            raise Problem("busy", "too many questions wait; try again", full.retry_after) from None
        except Closed:
            raise Problem("going_down", "the server is going down", 5) from None
        return await asyncio.wrap_future(future)


def prediction(
    item: Item, question: Question, done: Done[Reply], model: ServedModel, decoding: float, began: float
) -> schemas.Prediction:
    """A reply as it goes over the wire."""
    reply = done.value
    verdict = reply.verdicts[MAIN_TASK]
    seconds = None if question.waveform is None else len(question.waveform) / SAMPLE_RATE
    further = {task: one for task, one in reply.verdicts.items() if task != MAIN_TASK}
    calibration = None
    if model.temperature is not None:
        calibration = schemas.Calibration(temperature=round(model.temperature, 4), fitted_to=model.fitted_to)
    transcript = None
    if reply.transcript is not None and reply.source is not None:
        transcript = schemas.TranscriptAnswer(text=reply.transcript, source=reply.source)
    return schemas.Prediction(
        id=secrets.token_hex(8),
        name=item.name,
        model=schemas.ModelName(name=model.name, version=model.version, emospeech=__version__),
        label=verdict.label,
        probabilities=dict(verdict.probabilities),
        calibration=calibration,
        modalities=list(reply.modalities),
        transcript=transcript,
        audio=None if seconds is None else schemas.AudioAnswer(seconds=round(seconds, 3)),
        segments=_segments(reply.segments),
        tasks={
            task: schemas.TaskAnswer(label=one.label, probabilities=dict(one.probabilities))
            for task, one in further.items()
        },
        attention=_attention(reply),
        timing=_timing(done, decoding, began),
    )


def _segments(parts: Sequence[Part]) -> list[schemas.SegmentAnswer]:
    return [
        schemas.SegmentAnswer(
            start=part.start,
            end=part.end,
            label=None if part.verdict is None else part.verdict.label,
            probabilities=None if part.verdict is None else dict(part.verdict.probabilities),
            transcript=part.transcript,
        )
        for part in parts
    ]


def _attention(reply: Reply) -> schemas.Attention | None:
    glance = reply.glance
    if glance is None:
        return None
    speech = None
    if glance.frames is not None:
        weights = [round(float(weight), 6) for weight in glance.frames]
        speech = schemas.SpeechAttention(step_seconds=round(glance.step, 5), weights=weights)
    words = [
        schemas.WordAttention(text=text, start=start, end=end, weight=round(weight, 6))
        for text, start, end, weight in glance.words
    ]
    shares = schemas.Shares(speech=round(glance.speech, 6), text=round(glance.text, 6), rest=round(glance.rest, 6))
    return schemas.Attention(speech=speech, words=words, shares=shares)


def _timing(done: Done[Reply], decoding: float, began: float) -> schemas.Timing:
    def ms(seconds: float) -> float:
        return round(1000 * seconds, 2)

    transcribing = done.value.transcribing
    return schemas.Timing(
        decode_ms=ms(decoding),
        transcribe_ms=ms(transcribing),
        queue_ms=ms(done.waited),
        model_ms=ms(max(done.worked - transcribing, 0.0)),
        total_ms=ms(time.perf_counter() - began),
        batch=done.batch,
    )
