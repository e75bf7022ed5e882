"""Recordings longer than a window: laid together from what each window gives, with bounded memory."""

import pytest
import torch

from emospeech.data.examples.dataset import pad
from emospeech.encoders.speech import long
from emospeech.encoders.speech.long import WINDOW, windows_of

SECOND = 16_000
SAMPLES = [9_137, 60_000, 400, 16_000, 16_001, 17_000, 200_000]  # the window below holds a second
WINDOWED = ["wav2vec2_base", "xlsr", "hubert_large", "mhubert", "wavlm_base", "wavlm_large", "data2vec",
            "unispeech_sat", "w2v_bert"]  # fmt: skip


@pytest.fixture(params=WINDOWED)
def family(request):
    return request.param


@pytest.fixture
def load(speech_checkpoint, with_window):
    from emospeech.encoders.speech import load_speech

    def make(family, seconds=1.0, layers=(0, 1, 2, 3)):
        return with_window(load_speech(str(speech_checkpoint(family)), layers), seconds)

    return make


def test_every_family_but_whisper_has_windows(speech_families):
    assert {*WINDOWED, "whisper"} == set(speech_families)


def test_short_and_long_in_one_batch_as_each_alone(family, load, clip, encode):
    encoder = load(family)
    states, mask = encode(encoder, map(clip, SAMPLES))
    assert mask.sum(1).tolist() == [encoder.frames(samples) for samples in SAMPLES]
    assert states.shape == (len(SAMPLES), 4, mask.shape[1], 16)
    for k, samples in enumerate(SAMPLES):
        alone, real = encode(encoder, [clip(samples)])
        assert real.all()
        torch.testing.assert_close(states[k, :, mask[k]], alone[0], rtol=0, atol=1e-4)
        assert not states[k, :, ~mask[k]].any()


def test_what_fits_is_heard_whole_bit_for_bit(family, load, clip, encode):
    """In a batch of its own and beside a longer one."""
    small, whole = load(family), load(family, WINDOW)
    clips = [clip(samples) for samples in (16_000, 5_000, 9_137)]
    expected, mask = encode(whole, clips)
    assert torch.equal(encode(small, clips)[0], expected)
    beside, valid = encode(small, [*clips, clip(40_000)])
    for k, real in enumerate(mask):
        assert torch.equal(beside[k, :, valid[k]], expected[k, :, real])


@torch.no_grad()
def test_long_ones_by_hand(family, load, clip, encode):
    """Each window heard as an utterance, each frame from the window where it stands most central."""
    encoder = load(family)
    inputs = torch.as_tensor(encoder.preprocess(clip(41_000)))
    states = encode(encoder, [clip(41_000)])[0][0]
    size, count = encoder.windows.size, encoder.frames(41_000)
    stride, field = (1, 1) if family == "w2v_bert" else (320, 400)
    starts = encoder.windows.starts(count).tolist()
    assert len(starts) == 4
    assert size == 49
    assert starts[-1] + size == count
    read = []
    for start in starts:
        row = inputs[start * stride : (start + size - 1) * stride + field][None]
        read.append(encoder(row, torch.ones(row.shape[:2], dtype=torch.bool))[0][0])
    for frame in range(count):
        inside = [min(frame - start, start + size - 1 - frame) for start in starts]
        best = inside.index(max(inside))
        torch.testing.assert_close(states[:, frame], read[best][:, frame - starts[best]], rtol=0, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("family", ["xlsr", "hubert_large", "wavlm_large"])
def test_with_layer_norm_the_convolutions_give_the_frames_of_the_whole(family, load, clip):
    encoder = load(family)
    waveform = torch.as_tensor(encoder.preprocess(clip(60_000)))
    seen = []
    projection = encoder.model.feature_projection
    with projection.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0])):
        encoder(waveform[None], torch.ones(1, 60_000, dtype=torch.bool))
    frames = encoder.model.feature_extractor(waveform[None])[0].T
    rows = torch.cat(seen)
    for row, start in zip(rows, encoder.windows.starts(len(frames)).tolist(), strict=True):
        torch.testing.assert_close(row, frames[start : start + len(row)], rtol=0, atol=1e-5)


def test_windows_stay_near_the_whole(family, load, clip, encode):
    """States where windows meet are not far from those of the whole: nothing is out of place."""
    windowed, whole = (encode(load(family, seconds), [clip(100_000)])[0][0] for seconds in (2.0, WINDOW))
    apart = (windowed - whole).abs().mean(2)  # (depth, frames)
    shuffled = (windowed[:, 1:] - whole[:, :-1]).abs().mean(2)
    assert (apart.mean(1) < 0.5 * shuffled.mean(1)).all()


@torch.no_grad()
@pytest.mark.parametrize("family", ["xlsr", "wavlm_base", "data2vec", "w2v_bert"])
def test_ten_minutes_with_bounded_memory(family, load):
    encoder, samples = load(family, 5.0, "weighted"), 600 * SECOND
    frames = encoder.frames(samples)
    noise = torch.randn(1, frames, 160) if family == "w2v_bert" else torch.randn(1, samples)
    heard, convolved = [], []
    layer = encoder.model.encoder.layers[0]
    layer.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0].shape))
    if family != "w2v_bert":
        first = encoder.model.feature_extractor.conv_layers[0]
        first.register_forward_pre_hook(lambda _, inputs: convolved.append(inputs[0].shape))
    states, mask = encoder(noise, torch.ones(noise.shape[:2], dtype=torch.bool))
    assert states.shape == (1, 3, frames, 16)
    assert mask.sum() == frames
    assert states.isfinite().all()
    assert max(rows for rows, _, _ in heard) == 1
    assert max(length for _, length, _ in heard) == encoder.frames(5 * SECOND)
    assert all(shape[-1] <= 5 * SECOND for shape in convolved)


def test_whisper_hears_no_more_windows_at_once_than_a_batch_has_clips(load, clip, encode):
    encoder, heard = load("whisper", layers="last"), []
    encoder.model.layers[0].register_forward_pre_hook(lambda _, inputs: heard.append(len(inputs[0])))
    encode(encoder, [clip(30 * SECOND * 4), clip(100)])
    assert heard == [2, 2, 1]


def test_mixed_precision(family, load, clip, encode):
    encoder = load(family)
    clips = [clip(5_000), clip(40_000)]
    full, mask = encode(encoder, clips)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half, _ = encode(encoder, clips)
    real = mask[:, None].expand(full.shape[:3])
    assert (half - full)[real].abs().mean() < 0.05 < full[real].std()


def test_a_batch_padded_further_than_its_longest_fits(load, clip):
    encoder = load("xlsr")
    waveforms, mask = pad([torch.as_tensor(encoder.preprocess(clip(9_000)))], 0.0)
    more = torch.nn.functional.pad
    with torch.no_grad():
        expected, _ = encoder(waveforms, mask)
        ours, _ = encoder(more(waveforms, (0, 40_000)), more(mask, (0, 40_000)))
    assert torch.equal(ours, expected)


def test_a_minute_is_heard_whole_unless_said_otherwise(speech_checkpoint):
    from emospeech.encoders.speech import load_speech

    assert long.WINDOW == 60
    for family in ("xlsr", "w2v_bert"):
        encoder = load_speech(str(speech_checkpoint(family)))
        assert encoder.windows.size == encoder.frames(60 * SECOND) == 2999


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), float("inf")])
def test_a_window_must_be_a_time(seconds):
    with pytest.raises(ValueError, match="should last more than 0 s"):
        windows_of(seconds, lambda samples: samples)
