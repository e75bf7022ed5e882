"""Clips to try a server with: one an emotion, by the demo corpus's synthetic voices, spoken when they are asked for."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from fastapi import APIRouter, Response

from emospeech.serve.http import schemas
from emospeech.serve.http.predicting import problems
from emospeech.serve.http.problems import Problem


@dataclass(frozen=True)
class Spoken:
    """A clip of the demo corpus."""

    label: str
    text: str
    wav: bytes  # mono, 16 kHz


@cache
def clips() -> Mapping[str, Spoken]:
    """By name; of speakers that no demo run has trained on."""
    import soundfile
    import soxr

    from emospeech.corpora import demo
    from emospeech.data.audio import SAMPLE_RATE

    found: dict[str, Spoken] = {}
    for clip in demo.plan(demo.CLIPS):
        if clip.speaker.split != "test" or clip.label in found:
            continue
        waveform = soxr.resample(demo.render(clip), demo.SAMPLE_RATE, SAMPLE_RATE)
        file = io.BytesIO()
        soundfile.write(file, waveform, SAMPLE_RATE, format="WAV", subtype="PCM_16")
        found[clip.label] = Spoken(clip.label, clip.transcription, file.getvalue())
    return found


def router() -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["examples"])

    @routes.get("/examples", response_model=schemas.Examples, summary="Clips of synthetic voices to try it with")
    def listed() -> schemas.Examples:
        return schemas.Examples(
            examples=[
                schemas.Example(name=name, label=one.label, text=one.text, url=f"/v1/examples/{name}.wav")
                for name, one in clips().items()
            ]
        )

    @routes.get(
        "/examples/{name}.wav",
        response_class=Response,
        responses={200: {"content": {"audio/wav": {}}}, **problems(404)},
        summary="One of them",
    )
    def clip(name: str) -> Response:
        if name not in clips():
            raise Problem("not_found", f"no example {name[:80]!r}; there are {', '.join(clips())}")
        return Response(clips()[name].wav, media_type="audio/wav")

    return routes
