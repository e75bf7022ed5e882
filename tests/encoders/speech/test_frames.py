"""How many states an utterance gives is known before any work."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emospeech.encoders.speech import load_speech
from emospeech.encoders.speech.long import Grid

EDGES = [0, 1, 399, 400, 401, 559, 560, 719, 720, 721, 879, 880, 1040, 15_999, 16_000, 16_001]
DRAWN = np.random.default_rng(0).integers(0, 50_000, 30).tolist()


def test_frames_are_those_that_the_encoder_gives(any_checkpoint, clip, encode, with_window):
    """Within a window and beyond it."""
    encoder = with_window(load_speech(str(any_checkpoint), layers=0), 0.8)
    for samples in (*EDGES, *DRAWN):
        states, mask = encode(encoder, [clip(samples)])
        assert mask.all()
        assert type(encoder.frames(samples)) is int
        assert encoder.frames(samples) == states.shape[2], f"{samples} samples"


@pytest.mark.parametrize("samples", [480_000, 480_001, 650_123])
def test_frames_beyond_the_window_of_whisper(speech_checkpoint, clip, encode, samples):
    encoder = load_speech(str(speech_checkpoint("whisper")), layers=0)
    assert encoder.frames(samples) == encode(encoder, [clip(samples)])[0].shape[2]


def test_transformers_counts_the_same(any_checkpoint):
    encoder = load_speech(str(any_checkpoint))
    count = getattr(encoder.model, "_get_feat_extract_output_lengths", None)
    if count is None or encoder.model.config.model_type in ("whisper", "wav2vec2-bert"):
        return  # there it counts mel frames
    for samples in (400, 719, 720, 9_137, 16_000, 57_600_000):
        assert encoder.frames(samples) == int(count(samples))


@given(st.integers(1, 9), st.integers(1, 30), st.integers(0, 500))
def test_a_grid_by_counting(stride, field, inputs):
    grid = Grid(stride, field)
    starts = [start for start in range(0, inputs, stride) if start + field <= inputs]
    assert grid.frames(inputs) == max(len(starts), 1)
    assert grid.inputs(grid.frames(inputs)) <= max(inputs, field) < grid.inputs(grid.frames(inputs) + 1)
