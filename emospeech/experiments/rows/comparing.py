"""New transcripts against those provided: word and character error rates."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from emospeech.experiments.rows.transcripts import FLAG, SOURCE, absent
from emospeech.metrics.words import TextErrors, text_errors
from emospeech.runtime.errors import UserError

WORST = 5  # clips that a report names


@dataclass(frozen=True)
class Comparison:
    """New transcripts against those provided."""

    clips: pd.DataFrame  # id, wer, cer, …, reference, hypothesis; the worst first
    overall: TextErrors


def require_provided(rows: pd.DataFrame) -> None:
    """
    Raises:
        UserError: if there is nothing to compare with.
    """
    if absent(rows).all():
        raise UserError("--compare: no row has a transcription to compare with")


def compare(provided: pd.DataFrame, transcribed: pd.DataFrame) -> Comparison:
    """Errors of `transcribed` where Whisper wrote it, and where `provided` has a transcription.

    Args:
        provided, transcribed: the same rows, before and after `transcripts.filled`.
    """
    both = ~absent(provided) & transcribed[SOURCE].fillna("").str.startswith("whisper:")
    references = provided["transcription"][both].tolist()
    hypotheses = transcribed["transcription"][both].fillna("").tolist()
    errors = [text_errors([one], [other]) for one, other in zip(references, hypotheses, strict=True)]
    clips = pd.DataFrame(
        {
            "id": provided["id"][both].tolist(),
            "wer": [one.wer for one in errors],
            "cer": [one.cer for one in errors],
            "words": [one.words for one in errors],
            "substitutions": [one.substitutions for one in errors],
            "deletions": [one.deletions for one in errors],
            "insertions": [one.insertions for one in errors],
            FLAG: transcribed[FLAG][both].tolist(),
            "reference": references,
            "hypothesis": hypotheses,
        }
    )
    clips = clips.sort_values(["wer", "cer"], ascending=False, kind="stable", na_position="last", ignore_index=True)
    return Comparison(clips, text_errors(references, hypotheses))


def report(compared: Comparison, path: Path) -> list[str]:
    """Error rates over all, and the worst clips, as lines for people."""
    total = compared.overall
    if total.wer is None or total.cer is None:
        return ["the provided transcripts hold no words: no error rate"]
    edits = f"{total.substitutions} substituted, {total.deletions} deleted, {total.insertions} inserted"
    lines = [
        f"WER {total.wer:.4f} ({edits}; {total.words} words), CER {total.cer:.4f}, {len(compared.clips)} clips; "
        f"each, the worst first: {path}"
    ]
    worst = compared.clips.dropna(subset="wer").head(WORST)
    return lines + [f"  {row.wer:7.3f}  {row.id}" for row in worst.itertuples()]
