"""One vector a clip, computed clip by clip, once: a recipe's `classical.features` of that kind, kept in the store.

>>> sorted(CLIP_FEATURES)
['compare', 'contours', 'covariances', 'deep_spectrum', 'egemaps', 'functionals', 'speech', 'text']
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field

from emospeech.config import Recipe
from emospeech.data.audio import SAMPLE_RATE
from emospeech.encoders.by_clip import Compute, coloured, played_faster
from emospeech.encoders.own import OWN_SPEECH
from emospeech.encoders.pooled import STATISTICS
from emospeech.encoders.text.subword import SUBWORD_ENCODERS
from emospeech.runtime.errors import UserError
from emospeech.systems.vectors.base import ClipFeatures
from emospeech.systems.vectors.deep import PooledSpeech, PooledText, SpeechFeatures, TextFeatures, pooled_layers
from emospeech.systems.vectors.images import KIND, DeepSpectrumFeatures, Wanted
from emospeech.systems.vectors.sound import SoundFeatures

__all__ = ["CLIP_FEATURES", "ClipFeatures", "build", "pooled_layers"]

Revisions = Mapping[str, str | None]  # by modality, the commit of an encoder that a saved model was trained with
Statistics = Sequence[Literal["mean", "std"]]
Channel = Annotated[int, Field(ge=0)]  # 0: the clip as it is
SLOWEST, FASTEST = 0.5, 2.0
FORMAT = 1  # of the sets of sound: raised when the same words would mean other numbers


def functionals(recipe: Recipe, revisions: Revisions, *, speed: float = 1.0, channel: Channel = 0) -> ClipFeatures:
    """The own set: see `encoders.functionals`. `speed`: at which clips are played; `channel`: through which.

    Source: this project, with librosa (McFee et al. 2015).
    """
    from emospeech.encoders import functionals as own

    return _own("functionals", own.functionals, own.names, own.VERSION, recipe, speed, channel)


def contours(recipe: Recipe, revisions: Revisions, *, speed: float = 1.0, channel: Channel = 0) -> ClipFeatures:
    """How the descriptors of `functionals` move: parabolas, levels, echoes, peaks.

    Source: this project, after ComParE's functionals (Weninger et al. 2013, doi 10.3389/fpsyg.2013.00292).
    """
    from emospeech.encoders.functionals import contours as own

    return _own("contours", own.contours, own.names, own.VERSION, recipe, speed, channel)


def covariances(recipe: Recipe, revisions: Revisions, *, speed: float = 1.0, channel: Channel = 0) -> ClipFeatures:
    """What goes together in a clip: log-correlations of descriptors, modulations, drawn-out contours.

    Source: this project; Arsigny et al. 2006 (log-Euclidean metrics, doi 10.1002/mrm.20965).
    """
    from emospeech.encoders.functionals import covariances as own

    return _own("covariances", own.covariances, own.names, own.VERSION, recipe, speed, channel)


def _own(
    name: str,
    compute: Compute,
    names: Callable[[], Sequence[str]],
    version: int,
    recipe: Recipe,
    speed: float,
    channel: int,
) -> ClipFeatures:
    """A set of `encoders.functionals`; librosa makes its mel filters and contrasts."""
    import importlib.metadata

    identity = {"kind": name, "version": version, "librosa": importlib.metadata.version("librosa")}
    return _of_sound(name, compute, names, identity, recipe, speed, channel)


def egemaps(recipe: Recipe, revisions: Revisions, *, speed: float = 1.0, channel: Channel = 0) -> ClipFeatures:
    """eGeMAPSv02 of openSMILE.

    Source: Eyben et al. 2016 (doi 10.1109/TAFFC.2015.2457417); openSMILE's licence is for research.

    Raises:
        UserError: if opensmile is not installed.
    """
    return _opensmile("egemaps", recipe, speed, channel)


def compare(recipe: Recipe, revisions: Revisions, *, speed: float = 1.0, channel: Channel = 0) -> ClipFeatures:
    """ComParE 2016 of openSMILE.

    Source: Schuller et al. 2016 (the ComParE challenge); openSMILE's licence is for research.

    Raises:
        UserError: if opensmile is not installed.
    """
    return _opensmile("compare", recipe, speed, channel)


def _opensmile(name: str, recipe: Recipe, speed: float, channel: int) -> ClipFeatures:
    from emospeech.encoders import opensmile

    identity = {"kind": "opensmile", "set": opensmile.SETS[name], "opensmile": opensmile.version()}
    compute, names = partial(opensmile.functionals, name), partial(opensmile.names, name)
    return _of_sound(name, compute, names, identity, recipe, speed, channel)


def _of_sound(
    name: str,
    compute: Compute,
    names: Callable[[], Sequence[str]],
    identity: Mapping[str, Any],
    recipe: Recipe,
    speed: float,
    channel: int,
) -> ClipFeatures:
    if not SLOWEST <= speed <= FASTEST:
        raise UserError(
            f"classical.features: {name}: speed should be between {SLOWEST} and {FASTEST}, 1 being the clip's own, "
            f"got {speed}"
        )
    common = {"format": FORMAT, "sample_rate": SAMPLE_RATE, "dtype": "fp32"}
    altered: dict[str, Any] = {}
    if channel:
        altered["channel"], compute = channel, partial(coloured, channel, compute)
    if speed != 1:
        altered["speed"], compute = speed, partial(played_faster, speed, compute)
    return SoundFeatures(name, compute, names, {**identity, **common, **altered}, recipe.cache)


def speech(recipe: Recipe, revisions: Revisions, *, statistics: Statistics = ("mean",)) -> ClipFeatures:
    """Layers of the recipe's frozen speech encoder over time, end to end: of each layer these statistics.

    Source: mean pooling of hidden states, as in Mares et al. 2025.

    Raises:
        UserError: if the recipe has no such encoder, asks for learned weights, or the statistics are none.
    """
    wanted = recipe.speech
    if wanted is None:
        raise UserError("classical.features: speech pools the states of the recipe's section speech, which is null")
    if wanted.encoder in OWN_SPEECH:
        raise UserError(
            f"classical.features: speech pools a frozen, pre-trained encoder; {wanted.encoder} trains from scratch"
        )
    if wanted.gain_dbfs is not None:
        raise UserError("speech.gain_dbfs: a classical system hears clips as loud as they are; take it back with null")
    if wanted.layers == "weighted":
        raise UserError(
            "speech.layers: weighted: a classical system learns no layer weights; give last, a number, or a list of "
            "layers, which are laid end to end"
        )
    if not statistics or len(set(statistics)) < len(statistics) or not set(statistics) <= set(STATISTICS):
        raise UserError(f"classical.features: speech: statistics should be mean, std or both, got {list(statistics)}")
    source = PooledSpeech(wanted.encoder, revisions.get("speech"), recipe.cache)
    return SpeechFeatures(source, wanted.layers, statistics)


def deep_spectrum(
    recipe: Recipe,
    revisions: Revisions,
    *,
    weights: str | None = None,
    seed: int = 0,
    layer: Literal["fc1", "fc2"] = "fc2",
    colours: str = "viridis",
    size: int = 224,
    bands: int = 128,
    range_db: float | None = 80.0,
    normalise: bool = False,
    width: int = 64,
    fc_width: int = 4096,
    batch_norm: bool = False,
) -> ClipFeatures:
    """A fully connected layer of VGG-16 that sees the picture of the clip's mel spectrogram.

    `weights`: a Hub id, file or folder; null: random ones, drawn with `seed`. The others are those of the encoder
    `deep_spectrum`.

    Source: Amiriparian et al. 2017 (doi 10.21437/Interspeech.2017-434).

    Raises:
        UserError: if there can be no such net.
    """
    wanted = Wanted(layer, colours, size, bands, range_db, width, fc_width, batch_norm, normalise)
    revision = revisions.get(f"{KIND} {weights}")
    return DeepSpectrumFeatures(wanted, weights, seed, revision, recipe.cache)


def text(recipe: Recipe, revisions: Revisions) -> ClipFeatures:
    """The recipe's frozen text encoder: the mean over a transcript's tokens, or the vector of `level: sentence`.

    Source: Reimers and Gurevych 2019 (arXiv 1908.10084), sec. 3.

    Raises:
        UserError: if the recipe has no such encoder.
    """
    wanted = recipe.text
    if wanted is None:
        raise UserError("classical.features: text pools the states of the recipe's section text, which is null")
    if wanted.encoder in SUBWORD_ENCODERS:
        raise UserError(
            f"classical.features: text pools a frozen, pre-trained encoder; {wanted.encoder} trains from scratch"
        )
    return TextFeatures(PooledText(wanted, revisions.get("text"), recipe.cache))


# by the name in `classical.features`; options are keyword-only. None computes or loads anything yet
CLIP_FEATURES: dict[str, Callable[..., ClipFeatures]] = {
    "functionals": functionals,
    "contours": contours,
    "covariances": covariances,
    "egemaps": egemaps,
    "compare": compare,
    "deep_spectrum": deep_spectrum,
    "speech": speech,
    "text": text,
}


def build(name: str, options: Mapping[str, Any], recipe: Recipe, revisions: Revisions | None = None) -> ClipFeatures:
    """The vectors that a recipe names; nothing is computed or loaded before it is asked for.

    Args:
        name: a key of `CLIP_FEATURES`.
        options: keyword-only parameters of its entry.
        revisions: of the encoders, by modality; none: the newest.

    Raises:
        UserError: if the recipe's sections do not go with it, or a package is not installed.
    """
    return CLIP_FEATURES[name](recipe, revisions or {}, **options)
