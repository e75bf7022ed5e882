"""openSMILE's sets, where the extra is installed; and what is said where it is not."""

import sys

import numpy as np
import pytest

from emospeech.encoders import opensmile
from emospeech.runtime.errors import UserError

TONE = (0.3 * np.sin(2 * np.pi * 220 * np.arange(16_000) / 16_000)).astype("f4")


@pytest.fixture
def installed():
    pytest.importorskip("opensmile")


def test_absent_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "opensmile", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'emospeech\[opensmile\]'.*research") as raised:
        opensmile.version()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("name", "count"), [("egemaps", 88), ("compare", 6373)])
def test_numbers_and_names(installed, name, count):
    found = opensmile.functionals(name, TONE)
    assert found.dtype == np.float32
    assert found.shape == (count,) == (len(opensmile.names(name)),)


def test_pitch_of_a_tone(installed):
    found = dict(zip(opensmile.names("egemaps"), opensmile.functionals("egemaps", TONE), strict=True))
    assert found["F0semitoneFrom27.5Hz_sma3nz_amean"] == pytest.approx(36, abs=0.1)


@pytest.mark.parametrize("name", ["egemaps", "compare"])
@pytest.mark.parametrize("waveform", [np.zeros(0), np.ones(1), np.zeros(16_000), TONE[:80], TONE[:900]], ids=len)
def test_odd_clips_give_finite_numbers(installed, name, waveform):
    found = opensmile.functionals(name, waveform.astype("f4"))
    assert np.isfinite(found).all()


def test_a_clip_does_not_change_the_next(installed):
    first = opensmile.functionals("egemaps", TONE)
    opensmile.functionals("egemaps", np.zeros(8_000, dtype="f4"))
    np.testing.assert_array_equal(opensmile.functionals("egemaps", TONE), first)
