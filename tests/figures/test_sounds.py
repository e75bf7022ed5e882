"""Figures of sounds: of arrays made by hand."""

import numpy as np

from emospeech import figures
from emospeech.figures.sounds import Sound, heard


def test_a_row_a_sound_on_one_scale(tmp_path):
    loud = Sound("as it is", np.full(1600, 0.5), np.zeros((8, 4)))
    long = Sound("gain $+1", np.full(3200, -0.25), np.ones((18, 4)))
    figure = heard([loud, long], rate=16_000, hop=160)
    waves, mels = figure.axes[0::2], figure.axes[1::2]
    assert [axes.get_title(loc="left") for axes in waves] == ["as it is", r"gain \$+1"]
    assert {axes.get_xlim() for axes in figure.axes} == {(0, 0.2)}
    assert len({axes.get_ylim() for axes in waves}) == 1
    np.testing.assert_allclose([axes.images[0].get_extent() for axes in mels], [(0, 0.08, 0, 4), (0, 0.18, 0, 4)])
    assert len({axes.images[0].get_clim() for axes in mels}) == 1
    np.testing.assert_allclose(waves[1].get_lines()[0].get_ydata(), -0.25)
    figures.save(figure, tmp_path / "sounds.png")
    assert (tmp_path / "sounds.png").stat().st_size > 1000


def test_silence_and_a_clip_too_short_for_a_frame(tmp_path):
    figure = heard([Sound("silence", np.zeros(10), np.zeros((0, 4)))], rate=16_000, hop=160)
    figures.save(figure, tmp_path / "silence.png")
