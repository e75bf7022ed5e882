"""Which program reads a checkpoint, and which of its languages a clip speaks."""

from pathlib import Path
from typing import Protocol

from emospeech.encoders.transcribe.hub_whisper import HubCheckpoint
from emospeech.encoders.transcribe.openai_whisper import OpenAICheckpoint, published
from emospeech.encoders.transcribe.transcript import Recogniser
from emospeech.runtime.errors import UserError


class Checkpoint(Protocol):
    """A Whisper by name, not loaded yet."""

    label: str  # what people call it

    def identity(self) -> str:
        """What tells its weights from all others."""
        ...

    def load(self, device: str) -> Recogniser: ...


BACKENDS: dict[str, type[OpenAICheckpoint] | type[HubCheckpoint]] = {
    "openai": OpenAICheckpoint,
    "transformers": HubCheckpoint,
}
AUTO = "auto"


def choose(name: str, backend: str = AUTO) -> Checkpoint:
    """The checkpoint of a name; `auto` takes openai-whisper for its sizes and `.pt` files, else transformers.

    Raises:
        UserError: if there is no such backend, or the name cannot be a checkpoint of it.
    """
    if backend != AUTO and backend not in BACKENDS:
        raise UserError(f"unknown backend {backend!r}; known: {AUTO}, {', '.join(BACKENDS)}")
    if backend != AUTO:
        return BACKENDS[backend](name)
    if name in published() or Path(name).suffix == ".pt":
        return OpenAICheckpoint(name)
    if "/" in name or Path(name).expanduser().is_dir():
        return HubCheckpoint(name)
    raise UserError(
        f"unknown Whisper {name!r}: give a size ({', '.join(published())}), a .pt file, a folder that save_pretrained "
        "wrote, or a Hub id such as openai/whisper-large-v3"
    )


def language_code(word: str) -> str | None:
    """Whisper's code of a language's name or tag; None: it knows no such language.

    >>> language_code("es"), language_code("Spanish"), language_code("es-MX"), language_code("tlh")
    ('es', 'es', 'es', None)
    """
    from whisper.tokenizer import LANGUAGES, TO_LANGUAGE_CODE

    plain = word.strip().casefold()
    code = TO_LANGUAGE_CODE.get(plain, plain.replace("_", "-").split("-")[0])
    return code if code in LANGUAGES else None
