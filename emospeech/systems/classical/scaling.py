"""Dense features to one scale: by the training rows, or by each speaker's own."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from emospeech.config import Classical
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError, WorkError, some

FEW = 3  # clips from which a speaker's mean and deviation can be told
ALOUD = (
    "classical.normalise=speaker: each feature is standardised by all of the speaker's clips that are given together, "
    "test clips too (without their labels)"
)

ADAPTED = (
    "classical.adapt: each clip's probabilities depend on all of the speaker's clips that are given together, test "
    "clips too (without their labels)"
)


def told(section: Classical) -> dict[str, str]:
    """What a user should know of a section that uses test clips, by key."""
    return {
        **({"normalise": ALOUD} if section.normalise == "speaker" else {}),
        **({"adapt": ADAPTED} if section.adapt else {}),
    }


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation (features,) of the training rows, float64."""

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> "Scale":
        values = features.astype(np.float64)
        return cls(values.mean(axis=0), values.std(axis=0))

    def apply(self, features: np.ndarray) -> np.ndarray:
        """(x - mean) / std, float64; 0 where the feature is constant, up to float32's resolution."""
        constant = self.std <= np.finfo(np.float32).eps * np.abs(self.mean)
        scaled: np.ndarray = (features.astype(np.float64) - self.mean) / np.where(constant, 1.0, self.std)
        scaled[:, constant] = 0.0
        return scaled


def by_speaker(features: np.ndarray, speakers: Sequence[str], fallback: Scale, prior: float = 0.0) -> np.ndarray:
    """Each speaker's rows by their own mean and deviation.

    With a prior of k, both are as if k more rows had the mean and variance of `fallback`, which are the training rows'
    mean and their variance within speakers (`within`): n rows of mean m get the mean
    (n m + k m0) / (n + k) and the variance (Σ(x - mean)² + k v0) / (n + k). Without one, a speaker of fewer than `FEW`
    rows is standardised by `fallback` alone.

    As Busso et al. 2011 ("Iterative feature normalization for emotional speech detection") and Schuller et al. 2010
    ("Cross-corpus acoustic emotion recognition") normalise speakers; of all emotions, as labels are not known.
    """
    scaled = fallback.apply(features)
    few = []
    needed = FEW if prior == 0 else 1
    for speaker, rows in pd.Series(range(len(features))).groupby(np.asarray(speakers, dtype=str)):
        if len(rows) < needed:
            few.append(str(speaker))
        else:
            own = features[rows.to_numpy()]
            scaled[rows.to_numpy()] = _towards(own, fallback, prior).apply(own)
    if few:
        who = f"speaker {few[0]} has" if len(few) == 1 else f"{len(few)} speakers ({some(few)}) have"
        say(f"note: {who} fewer than {FEW} clips here, standardised by the training rows' statistics")
    return scaled


def _towards(features: np.ndarray, fallback: Scale, prior: float) -> Scale:
    """A speaker's scale, drawn towards that of all."""
    if prior == 0:
        return Scale.of(features)
    values, count = features.astype(np.float64), len(features) + prior
    mean = (values.sum(axis=0) + prior * fallback.mean) / count
    return Scale(mean, np.sqrt((((values - mean) ** 2).sum(axis=0) + prior * fallback.std**2) / count))


def within(versions: Sequence[np.ndarray], speakers: Sequence[str]) -> np.ndarray:
    """The standard deviation (features,) of rows around the means of their speakers, each version by itself."""
    numbers = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)[1]
    counts = np.bincount(numbers)[:, None]
    total = np.zeros(versions[0].shape[1])
    for one in versions:
        means = np.zeros((len(counts), one.shape[1]))
        np.add.at(means, numbers, one.astype(np.float64))
        total += ((one - (means / counts)[numbers]) ** 2).mean(axis=0)
    deviation: np.ndarray = np.sqrt(total / len(versions))
    return deviation


def speakers_of(
    manifest: pd.DataFrame, asked: str = "normalise=speaker", otherwise: str = "normalise=corpus"
) -> list[str]:
    """
    Args:
        asked, otherwise: what of the section `classical` needs them, and what does not.

    Raises:
        UserError: if a row has no speaker.
    """
    absent = manifest["speaker"].isna()
    if absent.any():
        raise UserError(
            f"classical.{asked}, but {absent.sum()} of {len(manifest)} rows have no speaker "
            f"({some(manifest['id'][absent].tolist())}); tell it in the manifest's column `speaker`, or train with "
            f"classical.{otherwise}"
        )
    return manifest["speaker"].astype(str).tolist()


def require_finite(features: np.ndarray, names: Sequence[str], ids: Sequence[str]) -> None:
    """
    Raises:
        WorkError: naming features and clips that are no numbers.
    """
    wrong = ~np.isfinite(features)
    if wrong.any():
        clips = [ids[k] for k in np.flatnonzero(wrong.any(axis=1)).tolist()]
        columns = [names[k] for k in np.flatnonzero(wrong.any(axis=0)).tolist()]
        raise WorkError(
            f"{len(columns)} of {len(names)} features are no numbers ({some(columns)}) for {len(clips)} of {len(ids)} "
            f"clips: {some(clips)}; leave the clips or the features out"
        )
