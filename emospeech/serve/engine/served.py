"""A trained system behind a queue: questions in, replies out, calibrated; it keeps nothing of them."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from emospeech.data import manifest
from emospeech.data.audio import SAMPLE_RATE
from emospeech.experiments.scoring import calibrated
from emospeech.metrics.calibration import tempered
from emospeech.runtime.console import hushed
from emospeech.runtime.runs import RunFolder
from emospeech.serve.engine.asked import PROVIDED, Glance, Part, Question, Reply, Verdict
from emospeech.serve.engine.sound import Segment, audible, private_folder, segments
from emospeech.serve.engine.whispering import Whisperer
from emospeech.systems import build, portable
from emospeech.systems.base import MAIN_TASK, System, must_hear, must_read

if TYPE_CHECKING:
    from emospeech.systems.attention import Attended

VERSION_LENGTH = 12  # characters of a model's hash
SPEECH, TEXT = "speech", "text"


@dataclass(frozen=True)
class _Row:
    """A row to predict: a question as a whole, or a segment of it."""

    question: int
    waveform: np.ndarray | None
    text: str | None
    segment: Segment | None = None


class ServedModel:
    """A system that answers questions.

    Args:
        system: loaded so that it keeps nothing (`build.load(…, keeps=False)`).
        temperature: divides the logarithms of its probabilities; None: its probabilities are given as they are.
        version: tells its weights from others.
        whisper: writes transcripts where a question brings none.
        segment_seconds: what is longer is answered in parts, too.
        fitted_to: whose predictions the temperature fits.
    """

    def __init__(
        self,
        name: str,
        system: System,
        temperature: float | None = None,
        version: str = "",
        whisper: Whisperer | None = None,
        segment_seconds: float = 15.0,
        fitted_to: str = calibrated.DEV,
    ) -> None:
        self.name, self.system, self.version = name, system, version
        self.temperature, self.whisper, self.segment_seconds = temperature, whisper, segment_seconds
        self.fitted_to = fitted_to

    @property
    def tasks(self) -> Mapping[str, Sequence[str]]:
        return self.system.tasks

    @property
    def labels(self) -> Sequence[str]:
        return self.system.tasks[MAIN_TASK]

    @property
    def needs_audio(self) -> bool:
        """Whether a question without a clip cannot be answered."""
        return must_hear(self.system)

    @property
    def needs_text(self) -> bool:
        """Whether a question without a transcript cannot be answered, if it is not written from its clip."""
        return must_read(self.system)

    def lacks(self, question: Question) -> str | None:
        """What a question must bring: `audio`, `text`, or None."""
        heard, read = question.waveform is not None, question.text is not None
        read = read or (heard and self.whisper is not None)
        if self.needs_audio and not heard:
            return "audio"
        if self.needs_text and not read:
            return "text"
        useful = (heard and self.system.needs_audio) or (read and self.system.needs_text)
        return None if useful else ("audio" if self.system.needs_audio else "text")

    def size(self, question: Question) -> int:
        """What it costs, in texts or in clips of `segment_seconds`: a long clip, and then its parts."""
        if question.waveform is None:
            return 1
        clips = max(1, math.ceil(len(question.waveform) / (self.segment_seconds * SAMPLE_RATE)))
        return 2 * clips if clips > 1 and self.answers_parts else clips

    # ------------------------------------------------------------ answering

    def answer(self, questions: Sequence[Question]) -> list[Reply]:
        """A reply each, in order; of questions that lack nothing."""
        with hushed(), private_folder() as folder:
            try:
                return self._answer(questions, folder)
            finally:
                self.system.forget()

    def _answer(self, questions: Sequence[Question], folder: Path) -> list[Reply]:
        began = time.monotonic()
        rows = self._with_transcripts(self._rows(questions))
        transcribing = time.monotonic() - began
        table = self._table(rows, folder)
        verdicts = self._verdicts(self.system.predict(table))
        glances = self._glances(questions, rows, table)
        replies = []
        for number, question in enumerate(questions):
            own = [k for k, row in enumerate(rows) if row.question == number]
            whole = own[0]
            parts = tuple(self._part(rows[k], verdicts[k]) for k in own[1:]) + self._silent(question, rows, own)
            text = rows[whole].text
            source = None if text is None else (PROVIDED if question.text is not None else self._whisper_source)
            replies.append(
                Reply(
                    verdicts[whole],
                    self._used(rows[whole]),
                    text,
                    source,
                    tuple(sorted(parts, key=lambda part: part.start)),
                    glances.get(number),
                    transcribing,
                )
            )
        return replies

    @property
    def _whisper_source(self) -> str | None:
        return None if self.whisper is None else self.whisper.source

    def _rows(self, questions: Sequence[Question]) -> list[_Row]:
        rows = []
        for number, question in enumerate(questions):
            rows.append(_Row(number, question.waveform, question.text))
            if question.waveform is not None and self.answers_parts:
                parts = segments(question.waveform, self.segment_seconds)
                rows += [_Row(number, one.waveform, None, one) for one in parts if audible(one.waveform)]
        return rows

    @property
    def answers_parts(self) -> bool:
        """Whether segments can be answered: nobody knows which words of a transcript fall into which."""
        return self.system.needs_audio and (not self.needs_text or self.whisper is not None)

    def _silent(self, question: Question, rows: Sequence[_Row], own: Sequence[int]) -> tuple[Part, ...]:
        """Parts in which nothing is to be heard."""
        if question.waveform is None or not self.answers_parts:
            return ()
        heard = {segment.start for k in own if (segment := rows[k].segment) is not None}
        parts = segments(question.waveform, self.segment_seconds)
        return tuple(Part(one.start, one.end, None, None) for one in parts if one.start not in heard)

    def _with_transcripts(self, rows: Sequence[_Row]) -> list[_Row]:
        """Where a row that is read has a clip and no text, Whisper's."""
        if self.whisper is None or not self.system.needs_text:
            return list(rows)
        wanted = {k: row.waveform for k, row in enumerate(rows) if row.text is None and row.waveform is not None}
        written = self.whisper.write(list(wanted.values()))
        # a system that was trained to do without a modality gets none where no word was heard
        texts = {k: text or (None if self.system.may_lack else "") for k, text in zip(wanted, written, strict=True)}
        return [_Row(row.question, row.waveform, texts.get(k, row.text), row.segment) for k, row in enumerate(rows)]

    def _table(self, rows: Sequence[_Row], folder: Path) -> pd.DataFrame:
        """As a manifest; sound that is heard is in files, with their lengths."""
        import soundfile

        paths: list[str | None] = []
        for k, row in enumerate(rows):
            if row.waveform is None or not self.system.needs_audio:
                paths.append(None)
                continue
            paths.append(str(folder / f"{k}.wav"))
            soundfile.write(paths[-1], row.waveform, SAMPLE_RATE, subtype="FLOAT")
        seconds = [None if row.waveform is None else len(row.waveform) / SAMPLE_RATE for row in rows]
        texts = [row.text if self.system.needs_text else None for row in rows]
        return manifest.make(id=[str(k) for k in range(len(rows))], audio=paths, transcription=texts, duration=seconds)

    def _verdicts(self, found: pd.DataFrame) -> list[dict[str, Verdict]]:
        """By row and task; of the main task calibrated."""
        every: list[dict[str, Verdict]] = [{} for _ in range(len(found))]
        for task, labels in self.tasks.items():
            prefix = "p_" if task == MAIN_TASK else f"p_{task}_"
            chances = found[[f"{prefix}{label}" for label in labels]].to_numpy(dtype=float)
            if task == MAIN_TASK and self.temperature is not None:
                chances = tempered(chances, self.temperature)
            # sums of float32 may go beyond 1 by a rounding
            for row, label, values in zip(every, found[task], chances.clip(0, 1).tolist(), strict=True):
                row[task] = Verdict(str(label), dict(zip(labels, values, strict=True)))
        return every

    def _part(self, row: _Row, verdicts: Mapping[str, Verdict]) -> Part:
        assert row.segment is not None
        return Part(row.segment.start, row.segment.end, verdicts[MAIN_TASK], row.text)

    def _used(self, row: _Row) -> tuple[str, ...]:
        heard = row.waveform is not None and self.system.needs_audio
        read = row.text is not None and self.system.needs_text
        return tuple(name for name, used in ((SPEECH, heard), (TEXT, read)) if used)

    # ------------------------------------------------------------ attention

    def _glances(self, questions: Sequence[Question], rows: Sequence[_Row], table: pd.DataFrame) -> dict[int, Glance]:
        """Of the questions that want to see it, if the system has attention."""
        wanted = [k for k, row in enumerate(rows) if row.segment is None and questions[row.question].explain]
        if not wanted:
            return {}
        from emospeech.systems.attention import attended

        found = attended(self.system, table.iloc[wanted].reset_index(drop=True))
        if found is None:
            return {}
        return {rows[k].question: _glance(one, rows[k].waveform) for k, one in zip(wanted, found, strict=True)}


def _glance(found: "Attended", waveform: np.ndarray | None) -> Glance:
    frames = found.frames
    seconds = 0.0 if waveform is None else len(waveform) / SAMPLE_RATE
    return Glance(
        frames=frames,
        step=0.0 if frames is None or not len(frames) else seconds / len(frames),
        words=tuple((word.text, word.start, word.end, float(word.weight)) for word in found.words),
        speech=0.0 if frames is None else float(frames.sum()),
        text=float(sum(word.weight for word in found.words)),
        rest=float(found.rest),
    )


def load(
    folder: Path, name: str | None = None, whisper: Whisperer | None = None, segment_seconds: float = 15.0
) -> ServedModel:
    """The system of a run folder or a model folder.

    Raises:
        UserError: if there is none, or it is damaged.
    """
    system = build.load(folder, keeps=False)
    run = RunFolder(folder)
    found = calibrated.fitted(run, system.tasks[MAIN_TASK])
    temperature, to = (None, calibrated.DEV) if found is None else (found.temperature, found.to)
    model = run.model if run.model.is_dir() else folder
    version = portable.version_of(model)[:VERSION_LENGTH]
    return ServedModel(name or folder.resolve().name, system, temperature, version, whisper, segment_seconds, to)
