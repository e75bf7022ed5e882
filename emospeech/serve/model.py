"""A trained system in three lines of Python.

model = emospeech.load("runs/xlsr_roberta")
answer = model("clip.wav", text="¡Qué alegría verte!")
answer.label, answer.probabilities["joy"]  # and answer.calibrated["joy"], at the temperature that fits dev
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from emospeech.data import manifest
from emospeech.experiments import inference
from emospeech.experiments.scoring import calibrated
from emospeech.metrics.calibration import tempered
from emospeech.outputs.hub import remote
from emospeech.runtime.errors import UserError
from emospeech.runtime.runs import RunFolder
from emospeech.systems import build
from emospeech.systems.base import MAIN_TASK, System, must_hear, must_read

CLIP = "clip"  # the id of what is asked about


@dataclass(frozen=True)
class Answer:
    """What a system says of a clip, of one task."""

    label: str
    probabilities: Mapping[str, float]  # class -> probability, in the order of the system's classes; not calibrated
    tasks: Mapping[str, "Answer"] = field(default_factory=dict)  # of further tasks
    # of the main task at the run's temperature, as the HTTP API gives them; None: the run has none
    calibrated: Mapping[str, float] | None = None


class Model:
    """A trained system that is asked about one clip after the other.

    Args:
        temperature: of its calibrated probabilities; None: it has none.
    """

    def __init__(self, system: System, temperature: float | None = None) -> None:
        self.system, self.temperature = system, temperature

    @property
    def labels(self) -> Sequence[str]:
        """The classes of the main task."""
        return self.system.tasks[MAIN_TASK]

    @property
    def needs_audio(self) -> bool:
        return must_hear(self.system)

    @property
    def needs_text(self) -> bool:
        return must_read(self.system)

    def __call__(
        self,
        audio: str | Path | np.ndarray | None = None,
        text: str | None = None,
        sampling_rate: int | None = None,
    ) -> Answer:
        """What `emospeech predict` says of the same clip.

        Args:
            audio: a file; or samples from -1 to 1, (time,) or (time, channels), with their `sampling_rate` in Hz.
            text: what is said.

        Raises:
            UserError: if the system needs what is not given, the file cannot be heard, or samples have no rate.
        """
        if audio is None and text is None:
            raise UserError("there is nothing to answer: give audio, text, or both")
        with _as_file(audio, sampling_rate) as path:
            rows = manifest.make(id=[CLIP], audio=[path], transcription=[text])
            found = inference.predict(self.system, rows).iloc[0]
        answers = {task: _answer(found, task, labels) for task, labels in self.system.tasks.items()}
        main = answers.pop(MAIN_TASK)
        return replace(main, tasks=answers, calibrated=self._calibrated(main.probabilities))

    def _calibrated(self, probabilities: Mapping[str, float]) -> Mapping[str, float] | None:
        if self.temperature is None:
            return None
        found = tempered(np.array([list(probabilities.values())]), self.temperature)[0]
        return dict(zip(probabilities, found.tolist(), strict=True))


def load(name: str | Path, *, revision: str | None = None) -> Model:
    """A trained system: of a run folder, of a model folder, or of the Hub.

    Args:
        name: a folder, or a Hub id, owner/name, which is downloaded where it is not in the cache.
        revision: a commit, branch or tag of a Hub id; None: the newest.

    Raises:
        UserError: if there is none, it is damaged, or an encoder that it needs cannot be loaded.
    """
    folder = folder_of(name, revision)
    system = build.load(folder)
    found = calibrated.fitted(RunFolder(folder), system.tasks[MAIN_TASK])
    return Model(system, None if found is None else found.temperature)


def folder_of(name: str | Path, revision: str | None = None) -> Path:
    """The folder on this machine that a folder or a Hub id names; see `load`.

    Raises:
        UserError: if it is a Hub id that cannot be had.
    """
    folder = Path(name).expanduser()
    if revision is not None and folder.is_dir():
        raise UserError(f"{folder} is a folder, and revision={revision!r} is of a Hub id; leave it out")
    could_be_id = isinstance(name, str) and remote.REPOSITORY.fullmatch(name) is not None
    beside = folder.parent.is_dir()  # runs/mistyped, where there are runs
    if folder.is_dir() or not could_be_id or (beside and revision is None):
        return folder
    return remote.fetched(str(name), revision)


def _answer(found: pd.Series, task: str, labels: Sequence[str]) -> Answer:
    prefix = "p_" if task == MAIN_TASK else f"p_{task}_"
    return Answer(str(found[task]), {label: float(found[f"{prefix}{label}"]) for label in labels})


@contextmanager
def _as_file(audio: str | Path | np.ndarray | None, sampling_rate: int | None) -> Iterator[str | None]:
    """The path of what is to be heard; samples are in a file while they are asked about."""
    if not isinstance(audio, np.ndarray):
        if sampling_rate is not None:
            raise UserError("sampling_rate is for samples; a file tells its own")
        if audio is not None and not Path(audio).expanduser().is_file():
            raise UserError(f"no such file: {audio}")
        yield None if audio is None else str(Path(audio).expanduser())
        return
    if sampling_rate is None:
        raise UserError("samples need their sampling_rate, in Hz, as model(samples, sampling_rate=16000)")
    if audio.ndim not in (1, 2) or not audio.size or not np.issubdtype(audio.dtype, np.floating):
        raise UserError(
            f"samples should be floats, (time,) or (time, channels), got {audio.dtype} of shape {audio.shape}"
        )
    import soundfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{CLIP}.wav"
        soundfile.write(path, audio, sampling_rate, subtype="FLOAT")
        yield str(path)
