"""Which figures a benchmark draws, and that they show its numbers."""

import numpy as np
import pytest

from emospeech.config import Protocol
from emospeech.experiments.protocols import pictures
from emospeech.experiments.scoring.calibrated import Calibration
from emospeech.figures import benchmarks
from emospeech.metrics.calibration import reliability

from .test_report import PAIRS, outcome

SURE = Calibration(reliability(np.array([[0.9, 0.1], [0.3, 0.7]]), np.array([0, 0])))


def texts(figure):
    (axes, *_) = figure.axes
    return [text.get_text() for text in axes.texts]


def test_each_protocol_and_task_has_its_figures(tmp_path, painted):
    found = [
        outcome(row="svm", calibration=SURE),
        outcome(row="a net", guess="jfff", seeds=2),
        outcome(row="svm", task="gender", protocol="people"),
        outcome(row="svm", protocol="people", tested_on="de"),
        *PAIRS,
    ]
    kinds = {"k": Protocol(), "people": Protocol(kind="loso")}
    pictures.draw(found, kinds, tmp_path / "figures")
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == [
        "k_label_confusion_a net.png",
        "k_label_confusion_svm.png",
        "k_label_corpora_svm.png",
        "k_label_reliability_svm.png",
        "k_label_systems.png",
        "people_gender_confusion_svm.png",
        "people_gender_speakers.png",
        "people_gender_systems.png",
    ]


def test_bars_intervals_folds_chance_and_published_values():
    bars = [
        benchmarks.Bar("svm", 0.6, 0.5, 0.7, [0.5, 0.6, 0.7], {"paper": 0.44}),
        benchmarks.Bar("$net$", 0.8, 0.75, 0.79, [0.8], {"paper": 0.5, "later": 0.6}),
    ]
    (axes,) = benchmarks.systems(bars, 0.25, "loso").axes
    assert [bar.get_width() for bar in axes.patches] == [0.6, 0.8]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["svm", r"\$net\$"]
    assert axes.get_legend_handles_labels()[1] == ["paper", "later", "chance 0.250"]
    dots, paper, later = axes.collections[-3:]
    assert dots.get_offsets()[:, 0].tolist() == [0.5, 0.6, 0.7]
    assert paper.get_offsets().tolist() == [[0.44, 0], [0.5, 1]]
    assert later.get_offsets().tolist() == [[0.6, 1]]


def test_other_scores_than_macro_f1_are_not_drawn_on_its_axis():
    one = outcome(published={"published accuracy": 0.6, "published macro-F1": 0.4, "later": 0.5, "UAR": 0.3})
    (axes,) = pictures._systems([one]).axes
    assert axes.get_legend_handles_labels()[1][:2] == ["published macro-F1", "later"]


def test_a_square_a_speaker_blank_where_a_system_has_none():
    figure = benchmarks.by_fold(["a", "b"], ["s1", "s2"], np.array([[0.1, 0.92], [np.nan, 0.5]]), "loso")
    assert texts(figure) == ["0.10", "0.92", "0.50"]


def test_pairs_of_corpora_with_chance_below():
    figure = pictures._corpora(PAIRS)
    assert texts(figure) == ["1.00", "0.73", "0.33", "0.33", "0.50", "0.50"]
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["de", "es", "chance"]
    assert [(frame.get_x(), frame.get_y()) for frame in axes.patches] == [(-0.5, -0.5), (0.5, 0.5)]


def test_the_confusions_of_all_seeds_in_one():
    figure = pictures._confusion(outcome(guess="jfff", seeds=3))
    assert texts(figure) == ["6", "0", "3", "3"]  # fear, then joy
    assert figure.axes[0].get_title() == "svm: macro-F1 0.733, 4 clips, 3 seeds"


@pytest.mark.parametrize("count", [1, 3])
def test_folds_of_several_seeds_are_means(count):
    one = outcome(guess="jfff", seeds=count)
    assert one.by_fold() == {"f1": pytest.approx(1 / 3), "f2": 1.0}
