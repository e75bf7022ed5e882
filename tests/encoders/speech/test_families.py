"""Every family: what transformers itself gives for one clip, whatever else is in the batch."""

import pickle

import numpy as np
import pytest
import torch

from emospeech.encoders.speech import load_speech

SAMPLES = [16_000, 0, 1, 399, 400, 559, 720, 9_137, 24_001, 5_000]


def test_a_batch_gives_what_its_clips_give_alone(any_checkpoint, clip, encode):
    encoder = load_speech(str(any_checkpoint), layers=[0, 1, 2, 3])
    states, mask = encode(encoder, map(clip, SAMPLES))
    assert states.shape == (len(SAMPLES), 4, mask.shape[1], 16)
    for k, samples in enumerate(SAMPLES):
        alone, all_real = encode(encoder, [clip(samples)])
        assert all_real.all()
        assert mask[k].sum() == all_real.shape[1]
        torch.testing.assert_close(states[k, :, mask[k]], alone[0], rtol=0, atol=1e-4)


def test_the_output_is_that_of_transformers(any_checkpoint, clip, encode, theirs):
    output = theirs(any_checkpoint, clip(9_000)).last_hidden_state
    states, mask = encode(load_speech(str(any_checkpoint)), [clip(9_000), clip(16_000)])
    ours = states[0, 0, mask[0]]
    assert ours.std() > 0.1
    torch.testing.assert_close(ours, output[0, : len(ours)], rtol=0, atol=1e-4)


@pytest.mark.parametrize(("family", "frames"), [("xlsr", 49), ("w2v_bert", 49), ("whisper", 50)])
def test_frames_of_a_second(speech_checkpoint, clip, encode, family, frames):
    assert encode(load_speech(str(speech_checkpoint(family))), [clip(16_000)])[0].shape == (1, 1, frames, 16)


@pytest.mark.parametrize("samples", [0, 1, 320])
def test_the_shortest_clips_give_one_frame(any_checkpoint, clip, encode, samples):
    states, mask = encode(load_speech(str(any_checkpoint)), [clip(samples)])
    assert states.shape == (1, 1, 1, 16)
    assert mask.all()
    assert states.isfinite().all()


def test_clips_differ(any_checkpoint, clip, encode):
    """Else the tests above prove nothing."""
    states, mask = encode(load_speech(str(any_checkpoint)), [clip(8_000), clip(8_001)[:8_000]])
    assert mask.all()
    assert (states[0] - states[1]).abs().mean() > 1e-2


def test_loader_processes_get_the_preprocessor_without_the_model(any_checkpoint, clip):
    encoder = load_speech(str(any_checkpoint))
    sent = pickle.dumps(encoder.preprocess)
    ours = encoder.preprocess(clip(5_000))
    assert ours.dtype == np.float32
    np.testing.assert_array_equal(pickle.loads(sent)(clip(5_000)), ours)


def test_nothing_in_it_trains(any_checkpoint):
    encoder = load_speech(str(any_checkpoint))
    assert encoder.frozen
    assert encoder.model.config.model_type
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert not any(module.training for module in encoder.model.modules())


def test_waveforms_are_normalised_as_the_preprocessor_says(speech_checkpoint, clip):
    waveform = clip(4_000) + 0.3
    normalised = load_speech(str(speech_checkpoint("xlsr"))).preprocess(waveform)
    np.testing.assert_allclose(normalised, (waveform - waveform.mean()) / np.sqrt(waveform.var() + 1e-7), atol=1e-5)
    as_it_is = load_speech(str(speech_checkpoint("wavlm_base"))).preprocess(waveform)
    np.testing.assert_array_equal(as_it_is, waveform)


def test_mel_frames_without_a_pair_are_left_out(speech_checkpoint, clip):
    preprocess = load_speech(str(speech_checkpoint("w2v_bert"))).preprocess
    assert [preprocess(clip(400 + 160 * more)).shape for more in (1, 2, 3)] == [(1, 160), (1, 160), (2, 160)]


@torch.no_grad()
def test_mixed_precision_gives_about_the_same(any_checkpoint, clip, encode):
    encoder = load_speech(str(any_checkpoint), layers=[0, 3])
    clips = [clip(8_000), clip(5_000)]
    full, mask = encode(encoder, clips)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half, _ = encode(encoder, clips)
    real = mask[:, None].expand(full.shape[:3])
    assert (half - full)[real].abs().mean() < 0.05 < full[real].std()
