"""The figure of attention: its panels, axes the right way round."""

import numpy as np

from emospeech.figures.attention import attention_maps


def test_panels_and_axes(tmp_path):
    spectrogram, maps = np.zeros((40, 100)), {"block 4": np.eye(8), "block 5": np.ones((3, 3)) / 9}
    spectrogram[0] = 1.0  # the lowest band
    bands = np.linspace(50, 7950, 40)
    figure = attention_maps(spectrogram, maps, 1.6, bands.tolist(), "a$b: joy (0.51)")
    panels = [axes for axes in figure.axes if axes.get_ylabel() == "Hz"]
    assert [axes.get_title(loc="left") for axes in panels] == ["mel spectrogram (dB)", "block 4", "block 5"]
    assert figure.get_suptitle() == r"a\$b: joy (0.51)"
    for axes, images in zip(panels, (1, 2, 2), strict=True):
        assert len(axes.images) == images
        assert axes.get_xlim() == (0.0, 1.6)
        assert axes.get_ylim() == (-0.5, 39.5)  # lowest band at the bottom
        assert all(image.origin == "lower" for image in axes.images)
        assert tuple(axes.images[-1].get_extent()) == (0.0, 1.6, -0.5, 39.5)
    np.testing.assert_array_equal(panels[1].images[1].get_array(), np.eye(8))
    ticks = [float(label.get_text()) for label in panels[0].get_yticklabels()]
    assert ticks == sorted(ticks)
    assert (ticks[0], ticks[-1]) == (50, 7950)
    figure.savefig(tmp_path / "a.png")
