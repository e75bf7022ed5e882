"""Figures of what the attention of a trained network looks at, clip by clip."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from emospeech.data import audio
from emospeech.encoders.deepspectrum.encoder import DeepSpectrum
from emospeech.experiments import inference
from emospeech.figures import save
from emospeech.figures.attention import attention_maps
from emospeech.runtime.console import progress
from emospeech.runtime.errors import UserError, some
from emospeech.systems.base import MAIN_TASK, System
from emospeech.systems.fitting import gain
from emospeech.systems.neural import NeuralSystem


def draw(system: System, rows: pd.DataFrame, folder: Path, on_bad_audio: str = "fail") -> list[Path]:
    """One figure a clip into `folder`, named by its id; the title tells the predicted class and its probability.

    Raises:
        UserError: if the system has no attention over spectrograms, a clip cannot be heard, or a figure is there.
    """
    encoder = attending(system)
    paths = _paths(rows, folder)
    rows = inference.prepared(system, rows, on_bad_audio)
    predictions, load = system.predict(rows), gain.loader(system.recipe, audio.load)
    with progress("drawing attention", len(rows)) as bar:
        for row, predicted, path in zip(rows.itertuples(), predictions.to_dict("records"), paths, strict=True):
            chosen = predicted[MAIN_TASK]
            title = f"{row.id}: {chosen} ({predicted[f'p_{chosen}']:.2f})"
            waveform = audio.load_or_silence(None if pd.isna(row.audio) else str(row.audio), load)
            save(_figure(encoder, encoder.preprocess(waveform), title), path)
            bar()
    return paths


def attending(system: System) -> DeepSpectrum:
    """The part of a system that looks at spectrograms.

    Raises:
        UserError: if it has none.
    """
    encoder = system.ready().speech if isinstance(system, NeuralSystem) else None
    if not isinstance(encoder, DeepSpectrum) or encoder.attention is None:
        raise UserError(
            "this run has no attention over spectrograms; train one with speech.encoder=deep_spectrum and "
            "speech.options.attention=true, as configs/deep_spectrum/attention.yaml does"
        )
    return encoder


def _figure(encoder: DeepSpectrum, waveform: np.ndarray, title: str) -> Any:
    inputs = torch.as_tensor(waveform, device=encoder.image.table.device)[None]
    encoder.eval()
    seen = encoder.seen(inputs, torch.ones_like(inputs, dtype=torch.bool))
    maps = {name: one[0].flip(0).cpu().numpy() for name, one in seen.maps.items()}  # lowest frequencies first
    spectrogram = seen.spectrogram[0].T.cpu().numpy()
    if encoder.image.range_db is not None:
        spectrogram = np.maximum(spectrogram, spectrogram.max() - encoder.image.range_db)
    seconds = len(waveform) / audio.SAMPLE_RATE
    return attention_maps(spectrogram, maps, seconds, encoder.image.mel.centres.tolist(), title)


def _paths(rows: pd.DataFrame, folder: Path) -> list[Path]:
    """A figure's file for each row.

    Raises:
        UserError: if two ids would share one, or one is there.
    """
    names = [re.sub(r"[^\w.-]+", "_", str(id)) for id in rows["id"]]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"ids that would share a file: {some(doubled)}")
    paths = [folder / f"{name}.png" for name in names]
    if there := [path for path in paths if path.exists()]:
        raise UserError(f"{some(there)} exists already; name another folder, or remove it")
    return paths
