"""Sound within a page: what it costs, and that it is the clip."""

import base64
import io

import numpy as np
import pytest
import soundfile

from emospeech.experiments.reporting.sound import QUALITIES, as_uri, embedded, envelope, over_bins


def decoded(uri):
    kind, data = uri.split(",", 1)
    assert kind == "data:audio/mpeg;base64"
    return soundfile.read(io.BytesIO(base64.b64decode(data)))


def test_it_is_the_clip(make_tone):
    samples = make_tone("joy", 0, seconds=2.0).astype(np.float32)
    found, rate = decoded(as_uri(samples))
    assert rate == 16_000
    assert abs(len(found) - len(samples)) < 3000, "but for what mp3 adds at the ends"
    pitch = [np.fft.rfftfreq(len(x), 1 / 16_000)[np.abs(np.fft.rfft(x)).argmax()] for x in (samples, found)]
    assert pitch[1] == pytest.approx(pitch[0], rel=0.01)


def test_a_higher_compression_is_smaller(make_tone):
    samples = make_tone("joy", 0, seconds=3.0).astype(np.float32)
    sizes = [len(as_uri(samples, quality)) for quality in QUALITIES]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < sizes[0] / 2


def test_a_budget_is_kept_first_by_quality_then_by_leaving_out(make_tone):
    clips = {f"c{k}": make_tone("fear", k, seconds=2.0).astype(np.float32) for k in range(6)}
    full = embedded(clips)
    size = sum(map(len, full.values()))
    lower = embedded(clips, size - 1)
    assert list(lower) == list(clips)
    assert sum(map(len, lower.values())) < size
    smallest = [len(as_uri(samples, QUALITIES[-1])) for samples in clips.values()]
    few = embedded(clips, sum(smallest[:3]))
    assert list(few) == ["c0", "c1", "c2"]
    assert embedded(clips, 10) == {}


def test_envelope_by_hand():
    assert envelope(np.array([0.0, 1.0, -1.0, 0.5]), 2).tolist() == [[0.0, 1.0], [-1.0, 0.5]]
    assert envelope(np.zeros(0)).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("frames", [1, 7, 240, 1001])
def test_shares_over_bins_sum_to_what_they_did(frames):
    weights = np.random.default_rng(0).random(frames)
    found = over_bins(weights, 240)
    assert found.sum() == pytest.approx(weights.sum())
    half = np.interp(frames / 2, np.arange(frames + 1), np.concatenate([[0], weights.cumsum()]))
    assert found[:120].sum() == pytest.approx(half), "and each is where it was"
