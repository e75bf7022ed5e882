"""The figure of a search: what it shows of trials and keys."""

import numpy as np

from emospeech.figures import tuning


def test_scores_in_their_order_and_against_each_key():
    scores = [0.3, 0.5, 0.4, 0.6]
    slices = [
        tuning.Slice("model.c", [0.1, 1.0, 10.0, 100.0], numbers=True, log=True),
        tuning.Slice("words", [[1, 1], [1, 2], None, [1, 1]]),
    ]
    figure = tuning.search(scores, 0.45, slices)
    order, numbers, kinds = figure.axes
    assert order.collections[0].get_offsets()[:, 1].tolist() == scores
    best = order.lines[0]
    assert np.asarray(best.get_ydata()).tolist() == [0.3, 0.5, 0.5, 0.6]
    assert all(panel.lines[-1].get_ydata()[0] == 0.45 for panel in figure.axes), "the recipe as it is"
    assert numbers.get_xscale() == "log"
    assert kinds.collections[0].get_offsets()[:, 0].tolist() == [0, 1, 2, 0]
    assert [label.get_text() for label in kinds.get_xticklabels()] == ["[1, 1]", "[1, 2]", "None"]


def test_no_trial_but_the_recipe_as_it_is():
    assert len(tuning.search([], 0.5, []).axes) == 1
