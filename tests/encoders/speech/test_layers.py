"""`speech.layers`: the numbers mean what transformers' `hidden_states` mean, and each state is raw."""

import pytest
import torch

from emospeech.config import Speech
from emospeech.encoders.speech import load_speech
from emospeech.runtime.errors import UserError
from emospeech.systems.parts import build_speech


def frames_of(states, mask):
    return states[0, :, mask[0]]


def test_numbers_are_those_of_transformers_and_the_last_one_is_raw(any_checkpoint, clip, encode, theirs):
    """0 to 2 are transformers' hidden states; the last, through the LayerNorm above it, is transformers' output."""
    encoder = load_speech(str(any_checkpoint), layers=[0, 1, 2, 3])
    ours = frames_of(*encode(encoder, [clip(9_000)]))
    out = theirs(any_checkpoint, clip(9_000))
    for number in (0, 1, 2):
        expected = out.hidden_states[number][0, : ours.shape[1]]
        torch.testing.assert_close(ours[number], expected, rtol=0, atol=1e-4)
    config = encoder.model.config
    raw = config.model_type == "whisper" or getattr(config, "do_stable_layer_norm", False)
    stack = encoder.model if config.model_type == "whisper" else encoder.model.encoder
    last = stack.layer_norm(ours[3]) if raw else ours[3]
    torch.testing.assert_close(last, out.last_hidden_state[0, : len(last)], rtol=0, atol=1e-4)
    if raw:
        assert (last - ours[3]).abs().mean() > 1e-2


@pytest.mark.parametrize("layers", ["last", "weighted", 0, 2, 3, [3, 1], [0]])
def test_each_way_to_say_it(any_checkpoint, clip, encode, layers):
    every = frames_of(*encode(load_speech(str(any_checkpoint), layers=[0, 1, 2, 3]), [clip(5_000)]))
    encoder = build_speech(Speech(encoder=str(any_checkpoint), layers=layers))
    ours = frames_of(*encode(encoder, [clip(5_000)]))
    assert encoder.depth == len(ours)
    numbers = {"weighted": [1, 2, 3]}.get(str(layers), [layers] if isinstance(layers, int) else layers)
    if layers != "last":
        torch.testing.assert_close(ours, every[numbers], rtol=0, atol=1e-5)


@torch.no_grad()
def test_weighted_layers_by_hand(speech_checkpoint, clip, encode):
    """XLS-R's transformer, layer by layer."""
    encoder = load_speech(str(speech_checkpoint("xlsr")), layers="weighted")
    states, _ = encode(encoder, [clip(8_000)])
    model = encoder.model
    waveform = torch.tensor(encoder.preprocess(clip(8_000)))[None]
    hidden, _ = model.feature_projection(model.feature_extractor(waveform).transpose(1, 2))
    hidden = hidden + model.encoder.pos_conv_embed(hidden)
    for k, layer in enumerate(model.encoder.layers):
        hidden = layer(hidden)
        torch.testing.assert_close(states[:, k], hidden, rtol=0, atol=1e-5)


def test_layers_above_those_asked_for_are_not_run(any_checkpoint):
    def left(layers):
        model = load_speech(str(any_checkpoint), layers=layers).model
        return len(model.layers if hasattr(model, "layers") else model.encoder.layers)

    assert [left(layers) for layers in ("last", "weighted", [2, 1], 0)] == [3, 3, 2, 1]


def test_a_forward_leaves_no_hook_behind(any_checkpoint, clip, encode):
    encoder = load_speech(str(any_checkpoint), layers=[0, 3])
    encode(encoder, [clip(5_000)])
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in encoder.modules())


@pytest.mark.parametrize(("layers", "asked"), [(30, "layer 30"), ([1, 4], "layer 4"), ([4, 5], "layers 4, 5")])
def test_a_layer_that_is_not_there(any_checkpoint, layers, asked):
    with pytest.raises(UserError, match=rf"speech\.layers: asks for {asked}; .* has 3 \(0 to 3\)"):
        load_speech(str(any_checkpoint), layers=layers)
