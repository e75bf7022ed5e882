"""What a recipe's augmentation makes of one clip, to be heard and seen."""

from pathlib import Path

import numpy as np

from emospeech.config import Augment, Recipe
from emospeech.data import audio
from emospeech.data.examples.augment import Heard
from emospeech.figures.sounds import Sound
from emospeech.runtime.errors import UserError
from emospeech.runtime.files import refuse_existing, replacing_folder
from emospeech.systems.fitting import gain
from emospeech.systems.parts import build_augmenter

FIGURE = "augmentation.png"
BANDS = 80  # of the figure's spectrograms


def write(recipe: Recipe, clip: Path, folder: Path, count: int, seed: int) -> list[str]:
    """Write the clip and so many augmented examples of it, as wav files, and a figure of all; what was done, in lines.

    The examples are crops as training hears them, each with an effect for certain.

    Raises:
        UserError: if the recipe augments nothing, the clip cannot be used, or the folder is there already.
    """
    wanted, clip = _wanted(recipe), clip.expanduser()
    refuse_existing(folder)
    if fault := audio.fault(clip):
        raise UserError(f"{clip}: {fault}")
    level = recipe.speech.gain_dbfs if recipe.speech is not None else None
    measured = level == "auto"  # on training clips, of which there are none here
    waveform = (audio.load if measured else gain.loader(recipe, audio.load))(str(clip))
    examples = drawn(recipe, wanted, waveform, count, seed)
    names = [f"{number}_{_joined(one)}.wav" for number, one in enumerate(examples, start=1)]
    titles = ["; ".join(map(str, one.done)) or "a crop" for one in examples]
    sounds = {"0_original.wav": waveform} | dict(zip(names, (one.waveform for one in examples), strict=True))
    with replacing_folder(folder) as temporary:
        _write(temporary, sounds, [f"as it is ({clip.name})", *titles])
    share = build_augmenter(wanted).probability
    told = [f"{name}: {title}" for name, title in zip(sounds, ["as it is", *titles], strict=True)]
    if measured:
        told.append("as loud as it is: speech.gain_dbfs: auto is measured on training clips; give a level to hear it")
    return [*told, f"training alters {share:.0%} of its clips; written to {folder}, seen in {FIGURE}"]


def drawn(recipe: Recipe, wanted: Augment, waveform: np.ndarray, count: int, seed: int) -> list[Heard]:
    """So many augmented examples of a clip (time,), with what was done; each a function of seed and its number."""
    crop = recipe.speech.crop_seconds if recipe.speech is not None else None
    samples = None if crop is None else round(crop * audio.SAMPLE_RATE)
    augmenter = build_augmenter(wanted)
    return [augmenter.told(waveform, samples, np.random.default_rng([seed, number])) for number in range(count)]


def _wanted(recipe: Recipe) -> Augment:
    if recipe.speech is None:
        raise UserError(f"the recipe {recipe.name} hears nothing (speech: null), so it augments nothing")
    if recipe.speech.augment is None:
        raise UserError(
            f"the recipe {recipe.name} augments nothing (speech.augment: null); give, say, "
            "'speech.augment={effects: [noise]}'"
        )
    return recipe.speech.augment


def _joined(heard: Heard) -> str:
    return "-".join(done.effect for done in heard.done) or "crop"


def _write(folder: Path, sounds: dict[str, np.ndarray], titles: list[str]) -> None:
    import soundfile

    from emospeech import figures
    from emospeech.encoders.spectrogram.mel import HOP
    from emospeech.figures.sounds import heard

    for name, waveform in sounds.items():
        # as floats: what is above full scale is trained on as it is, and is to be heard so
        soundfile.write(folder / name, waveform, audio.SAMPLE_RATE, subtype="FLOAT")
    rows = [Sound(title, wave, _mel(wave)) for title, wave in zip(titles, sounds.values(), strict=True)]
    figures.save(heard(rows, audio.SAMPLE_RATE, HOP), folder / FIGURE)


def _mel(waveform: np.ndarray) -> np.ndarray:
    """(time,) -> log-mel energies (frames, BANDS)."""
    import torch

    from emospeech.encoders.spectrogram.mel import LogMel, at_least_a_window

    samples = torch.as_tensor(at_least_a_window(waveform))[None]
    mel, _ = LogMel(BANDS, normalise=False)(samples, torch.ones_like(samples, dtype=torch.bool))
    values: np.ndarray = mel[0].numpy()
    return values
