"""What goes over the wire, with examples, from which /openapi.json is made."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0, le=1)]
CHANCES = {"neutral": 0.12, "joy": 0.71, "anger": 0.06, "disgust": 0.04, "sadness": 0.04, "fear": 0.03}


class TextQuestion(BaseModel):
    """One text."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"text": "¡Qué alegría verte!"}]})
    text: str = Field(min_length=1, description="What is said.")
    model: str | None = Field(None, description="One of /v1/models; the first where it is not told.")
    explain: bool = Field(False, description="With the attention over words.")


class TextQuestions(BaseModel):
    """Several texts."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"texts": ["¡Qué alegría verte!", "Déjame en paz."]}]}
    )
    texts: list[str] = Field(min_length=1)
    model: str | None = None
    explain: bool = False


class ProblemDetails(BaseModel):
    """RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    code: str = Field(description="For programs: " + "not_audio, too_long, busy, …")
    detail: str = Field(description="For people: what is wrong, and what would be right.")


class ModelName(BaseModel):
    name: str
    version: str = Field(description="Begins a hash of what decides the answers: weights, tokenizer, labels, encoders.")
    emospeech: str


class Calibration(BaseModel):
    temperature: float = Field(gt=0)
    fitted_to: str = Field(description="Whose predictions it fits: `dev`, or in words what else is to be known.")


class TaskAnswer(BaseModel):
    label: str
    probabilities: dict[str, Probability]


class SegmentAnswer(BaseModel):
    start: float = Field(ge=0, description="Seconds.")
    end: float = Field(ge=0)
    label: str | None = Field(description="null: nothing is to be heard in it.")
    probabilities: dict[str, Probability] | None
    transcript: str | None


class TranscriptAnswer(BaseModel):
    text: str
    source: str = Field(description="provided, or whisper:<model>.")


class AudioAnswer(BaseModel):
    seconds: float = Field(ge=0)


class SpeechAttention(BaseModel):
    step_seconds: float = Field(ge=0, description="Of a frame.")
    weights: list[float] = Field(description="Share of each frame.")


class WordAttention(BaseModel):
    text: str
    start: int = Field(ge=0, description="Characters of the transcript, from here …")
    end: int = Field(ge=0, description="… to here.")
    weight: float


class Shares(BaseModel):
    speech: float
    text: float
    rest: float = Field(description="Tokens of no word.")


class Attention(BaseModel):
    """What the network's pooling weighed: all weights together are 1. It shows where it looked, not why it decided."""

    speech: SpeechAttention | None
    words: list[WordAttention]
    shares: Shares


class Timing(BaseModel):
    """Milliseconds."""

    decode_ms: float
    transcribe_ms: float
    queue_ms: float
    model_ms: float
    total_ms: float
    batch: int = Field(description="Requests that the model answered together.")


EXAMPLE: dict[str, Any] = {
    "id": "5f1c9a7e0b2d4c68",
    "name": "clip.wav",
    "model": {"name": "demo", "version": "3f2a9c0d1e5b", "emospeech": "0.1.0"},
    "label": "joy",
    "probabilities": CHANCES,
    "calibration": {"temperature": 1.31, "fitted_to": "dev"},
    "modalities": ["speech", "text"],
    "transcript": {"text": "¡Qué alegría!", "source": "provided"},
    "audio": {"seconds": 3.2},
    "segments": [],
    "tasks": {},
    "attention": {
        "speech": {"step_seconds": 1.6, "weights": [0.35, 0.2]},
        "words": [{"text": "¡Qué", "start": 0, "end": 4, "weight": 0.1}],
        "shares": {"speech": 0.55, "text": 0.4, "rest": 0.05},
    },
    "timing": {
        "decode_ms": 3.1,
        "transcribe_ms": 0.0,
        "queue_ms": 2.0,
        "model_ms": 12.0,
        "total_ms": 18.2,
        "batch": 1,
    },
}


class Prediction(BaseModel):
    """What a model says of a clip, a text, or both."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]}, protected_namespaces=())
    id: str
    name: str | None = Field(description="Of the file, as the client called it.")
    model: ModelName
    label: str
    probabilities: dict[str, Probability] = Field(description="In the order of the model's classes.")
    calibration: Calibration | None = Field(description="null: the probabilities are as the model gives them.")
    modalities: list[str] = Field(description="Which were used: speech, text.")
    transcript: TranscriptAnswer | None
    audio: AudioAnswer | None
    segments: list[SegmentAnswer] = Field(description="Of long audio.")
    tasks: dict[str, TaskAnswer] = Field(description="Further tasks of the model, such as gender.")
    attention: Attention | None
    timing: Timing


class Failure(BaseModel):
    """One of a batch that could not be answered."""

    name: str | None
    error: ProblemDetails


class Predictions(BaseModel):
    results: list[Prediction | Failure] = Field(description="In the order of what was asked.")


class ModelCard(BaseModel):
    name: str
    version: str
    labels: list[str]
    tasks: dict[str, list[str]] = Field(description="Further ones.")
    hears: bool
    reads: bool
    needs_audio: bool
    needs_text: bool = Field(description="A transcript must be given, or be written from the clip.")
    transcribes: bool
    temperature: float | None
    attends: bool = Field(description="Whether explain=true shows anything.")
    default: bool


class Models(BaseModel):
    models: list[ModelCard]


class LimitsAnswer(BaseModel):
    max_bytes: int
    max_seconds: float
    max_batch_files: int
    segment_seconds: float
    max_characters: int


class Example(BaseModel):
    name: str
    label: str
    text: str
    url: str


class Examples(BaseModel):
    examples: list[Example]


class Health(BaseModel):
    status: str
    emospeech: str
