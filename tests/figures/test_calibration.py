"""The reliability diagram shows the numbers that it is given."""

import numpy as np

from emospeech import figures
from emospeech.figures import calibration
from emospeech.metrics.calibration import reliability


def test_bars_of_accuracy_the_diagonal_and_how_many(tmp_path):
    chances = np.array([[0.55, 0.45], [0.45, 0.55], [0.3, 0.7], [1.0, 0.0]])
    one = reliability(chances, np.zeros(4, dtype=int), bins=10)
    figure = calibration.reliability({"as predicted": one, "at $2": one}, "title")
    bars, sizes, after, _ = figure.axes
    assert bars.get_title(loc="left") == f"as predicted: ECE {one.ece:.3f}"
    assert after.get_title(loc="left").startswith(r"at \$2")
    assert [(round(bar.get_x(), 6), round(bar.get_width(), 6), bar.get_height()) for bar in bars.patches] == [
        (0.5, 0.1, 0.5), (0.6, 0.1, 0.0), (0.9, 0.1, 1.0),
    ]  # fmt: skip
    assert [bar.get_height() for bar in sizes.patches] == [2, 1, 1]
    (ends,) = [lines for lines in bars.collections if hasattr(lines, "get_segments")]
    drawn = [segment[:, 1].tolist() for segment in ends.get_segments()]
    np.testing.assert_allclose(drawn, list(zip(one.low, one.high, strict=True)))
    diagonal = next(line for line in bars.get_lines() if line.get_linestyle() == "--")
    assert diagonal.get_xydata().tolist() == [[0, 0], [1, 1]]
    figures.save(figure, tmp_path / "r.png")
    assert (tmp_path / "r.png").stat().st_size > 1000
