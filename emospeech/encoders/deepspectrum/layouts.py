"""The names that VGG-16's weights have in others' checkpoints."""

from collections.abc import Mapping

from torch import Tensor

from emospeech.encoders.deepspectrum.vgg16 import CONVOLUTIONS
from emospeech.runtime.errors import UserError, faults, some

# ours -> theirs, of the layers behind the convolutions
CONNECTED: Mapping[str, Mapping[str, str]] = {
    "torchvision": {"fc1": "classifier.0", "fc2": "classifier.3"},
    "timm": {"fc1": "pre_logits.fc1", "fc2": "pre_logits.fc2"},
}
UNUSED = "num_batches_tracked"


def expected(layout: str, batch_norm: bool) -> dict[str, str]:
    """Our layer -> its name there: both number convolutions, norms, activations and poolings through.

    >>> expected("timm", False)["blocks.1.convolutions.0"]
    'features.5'
    """
    found, place = {}, 0
    for block, count in enumerate(CONVOLUTIONS):
        for number in range(count):
            found[f"blocks.{block}.convolutions.{number}"] = f"features.{place}"
            if batch_norm:
                found[f"blocks.{block}.norms.{number}"] = f"features.{place + 1}"
            place += 3 if batch_norm else 2  # each with its activation
        place += 1  # pooling
    return found | dict(CONNECTED[layout])


def translated(state: Mapping[str, Tensor], own: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """A checkpoint's weights under our names and in our shapes: timm's fully connected layers are convolutions.

    Args:
        state: torchvision's or timm's, with or without classifier.
        own: the weights of a `VGG16`, whose shapes are asked for.
        where: the checkpoint, for messages.

    Raises:
        UserError: if it is of another layout or another size.
    """
    batch_norm = any(".norms." in key for key in own)
    tried = {name: _renamed(own, expected(name, batch_norm)) for name in CONNECTED}
    # where no layer behind the convolutions is asked for, both are alike
    fitting = next((names for names in tried.values() if all(theirs in state for theirs in names.values())), None)
    if fitting is None:
        raise UserError(_other_layout(state, tried, batch_norm, where))
    found, wrong = {}, []
    for ours, theirs in fitting.items():
        shape, given = tuple(own[ours].shape), tuple(state[theirs].shape)
        if given[:1] == shape[:1] and state[theirs].numel() == own[ours].numel():
            found[ours] = state[theirs].reshape(shape)
        else:
            wrong.append(f"{theirs}: {given}, should be {shape}")
    if wrong:
        there = state[fitting["blocks.0.convolutions.0.weight"]].shape[0]
        raise faults(f"the weights in {where} are a VGG-16 of other sizes (its width is {there})", wrong, limit=4)
    return found


def _renamed(own: Mapping[str, Tensor], layers: Mapping[str, str]) -> dict[str, str]:
    parts = {key: key.rpartition(".") for key in own}
    return {key: f"{layers[layer]}.{kind}" for key, (layer, _, kind) in parts.items() if kind != UNUSED}


def _other_layout(
    state: Mapping[str, Tensor], tried: Mapping[str, Mapping[str, str]], batch_norm: bool, where: str
) -> str:
    lacks = {name: [key for key in names.values() if key not in state] for name, names in tried.items()}
    nearest = min(lacks, key=lambda name: len(lacks[name]))
    others = sorted(set(state) - set(tried[nearest].values()))
    has_norms = any(key.endswith("running_mean") for key in state)
    hint = ""
    if has_norms != batch_norm:
        hint = f"; it {'has' if has_norms else 'lacks'} batch norms: give batch_norm: {str(has_norms).lower()}"
    return (
        f"the weights in {where} are not VGG-16's under the names of torchvision (features.0.weight …, "
        f"classifier.0.weight …) or timm (features.0.weight …, pre_logits.fc1.weight …): of {nearest}'s "
        f"{len(tried[nearest])} it lacks {len(lacks[nearest])} ({some(lacks[nearest])}), and it has "
        f"{some(others) or 'no others'}{hint}"
    )
