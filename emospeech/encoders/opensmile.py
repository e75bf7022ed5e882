"""Functionals of openSMILE: eGeMAPS and ComParE 2016, through audEERING's package.

Sources: Eyben et al. 2016 (eGeMAPS, IEEE Trans. Affective Computing 7(2)); Schuller et al. 2016, Weninger et al. 2013
(ComParE). openSMILE's licence allows research and evaluation alone, so the package is an extra.
"""

import functools
import importlib.util
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emospeech.data.audio import SAMPLE_RATE, at_least
from emospeech.runtime.errors import UserError

SETS: Mapping[str, str] = {"egemaps": "eGeMAPSv02", "compare": "ComParE_2016"}  # ours -> opensmile.FeatureSet
SHORTEST = SAMPLE_RATE // 5  # samples; a shorter clip is followed by silence, as openSMILE gives nothing for it


def installed_fault() -> str | None:
    """That the package is absent, or None."""
    if importlib.util.find_spec("opensmile") is not None:
        return None
    return (
        "opensmile is not installed; pip install 'emospeech[opensmile]' (its licence allows research and evaluation "
        "alone; `functionals` needs nothing)"
    )


def version() -> str:
    """
    Raises:
        UserError: if the package is absent.
    """
    if fault := installed_fault():
        raise UserError(fault)
    import importlib.metadata

    return importlib.metadata.version("opensmile")


def functionals(name: str, waveform: np.ndarray) -> np.ndarray:
    """float32 (time,) at 16 kHz -> float32 (D,): 88 numbers of eGeMAPS, 6373 of ComParE.

    What openSMILE cannot tell of a clip, such as the pitch of one without a voiced frame, it gives as 0, or as no
    number, which is 0 here too.

    Args:
        name: a key of `SETS`.
    """
    padded = at_least(waveform, SHORTEST)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of what is too short for it, which is 0 below
        found = _smile(name).process_signal(padded, SAMPLE_RATE).to_numpy(dtype=np.float64)[0]
    return np.nan_to_num(found, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32)


def names(name: str) -> Sequence[str]:
    """Of the numbers, (D,), as openSMILE calls them."""
    return tuple(_smile(name).feature_names)


@functools.cache
def _smile(name: str) -> Any:
    """One a process; it can be used again and again."""
    version()
    import opensmile

    return opensmile.Smile(opensmile.FeatureSet[SETS[name]], opensmile.FeatureLevel.Functionals)
