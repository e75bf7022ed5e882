"""Whisper hears windows of 30 s; what it gives is as long as the clip."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from emospeech.encoders.speech import load_speech

SECOND = 16_000


@pytest.fixture(scope="module")
def encoder(speech_checkpoint):
    return load_speech(str(speech_checkpoint("whisper")))


def test_short_and_long_clips_in_one_batch(encoder, clip, encode):
    seconds = [0.1, 65, 5.5, 30]
    clips = [clip(int(s * SECOND)) for s in seconds]
    states, mask = encode(encoder, clips)
    assert mask.sum(1).tolist() == [5, 3250, 275, 1500]
    for k, one in enumerate(clips):
        torch.testing.assert_close(states[k, :, mask[k]], encode(encoder, [one])[0][0], rtol=0, atol=1e-4)


def test_a_long_clip_is_heard_in_equal_windows(encoder, clip, encode, speech_checkpoint, theirs):
    """65 s are 3250 frames: windows of 1084, 1084 and 1082."""
    long = clip(65 * SECOND)
    states, _ = encode(encoder, [long])
    edges = np.cumsum([0, 1084, 1084, 1082])
    for start, end in pairwise(edges):
        window = theirs(speech_checkpoint("whisper"), long[320 * start : 320 * end]).last_hidden_state
        torch.testing.assert_close(states[0, 0, start:end], window[0, : end - start], rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("samples", "windows"),
    [
        (30 * SECOND, [480_000]),
        (30 * SECOND + 1, [751 * 320, 749 * 320 + 1]),
        (60 * SECOND, [480_000, 480_000]),
    ],
)
def test_windows(encoder, samples, windows):
    assert [len(window) for window in encoder._windows(torch.zeros(samples))] == windows


def test_the_decoder_is_dropped(encoder):
    assert not [name for name, _ in encoder.named_parameters() if "decoder" in name]


def test_a_classifier_made_of_its_encoder_loads(encoder, clip, encode, tmp_path):
    """Fine-tuned for audio classification, a checkpoint has no decoder."""
    from transformers import WhisperForAudioClassification

    whole = WhisperForAudioClassification(encoder.model.config)
    whole.encoder.load_state_dict(encoder.model.state_dict())
    whole.save_pretrained(tmp_path)
    encoder.extractor.save_pretrained(tmp_path)
    ours = encode(load_speech(str(tmp_path)), [clip(5_000)])
    torch.testing.assert_close(ours, encode(encoder, [clip(5_000)]))


def test_spectrogram_is_made_in_full_precision_under_autocast(encoder, clip):
    window = torch.tensor(clip(5_000))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = encoder._log_mel([window])
    torch.testing.assert_close(half, encoder._log_mel([window]), rtol=0, atol=0)
