"""Figures of layer-wise probing: what they show, of arrays made by hand."""

import numpy as np

from emospeech import figures
from emospeech.figures import layers


def test_a_panel_an_encoder_on_one_scale(tmp_path):
    curves = {
        "base": layers.Curve((0, 1, 2), [0.2, 0.5, 0.4], [0.1, 0.1, 0.0]),
        "large": layers.Curve((0, 1, 2, 3), [0.2, 0.3, 0.6, 0.5], [0.0, 0.0, 0.2, 0.0]),
        "single": layers.Curve((2,), [0.3], [0.0]),
        "$cost": layers.Curve((0, 4), [0.3, 0.2], [0.0, 0.0]),
    }
    figure = layers.layer_curves(curves, 0.15, "title")
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in panels] == ["base", "large", "single", r"\$cost"]
    assert {axes.get_ylim() for axes in panels} == {(0, 0.8 + 0.05)}
    line, chance = panels[1].get_lines()
    np.testing.assert_allclose(line.get_xydata(), [[0, 0.2], [1, 0.3], [2, 0.6], [3, 0.5]])
    assert chance.get_ydata()[0] == 0.15
    figures.save(figure, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_one_encoder_is_one_panel():
    figure = layers.layer_curves({"a": layers.Curve((0, 1), [0.5, 0.9], [0.5, 0.5])}, 0.3, "t")
    assert figure.axes[0].get_ylim() == (0, 1)


def test_the_map_is_blank_where_an_encoder_has_no_such_layer(tmp_path):
    scores = {"base": {0: 0.1, 2: 0.3}, "large": {0: 0.2, 2: 0.5, 4: 0.4}}
    figure = layers.layer_map(scores, {"base": 2, "large": 4}, "t")
    axes = figure.axes[0]
    shown = axes.images[0].get_array()
    np.testing.assert_array_equal(shown.mask, [[False, False, True], [False, False, False]])
    np.testing.assert_allclose(shown.filled(9), [[0.1, 0.3, 9], [0.2, 0.5, 0.4]])
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0", "2", "4"]
    assert axes.get_lines()[0].get_xydata().tolist() == [[1, 0], [2, 1]]
    figures.save(figure, tmp_path / "map.png")
