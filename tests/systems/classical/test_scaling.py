"""Features to one scale, against numbers worked out by hand."""

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from emospeech.data import manifest
from emospeech.runtime.errors import UserError, WorkError
from emospeech.systems.classical.scaling import Scale, by_speaker, require_finite, speakers_of


def test_by_the_training_rows_as_scikit_learn_does():
    values = np.random.default_rng(0).standard_normal((40, 7)).astype(np.float32) * 50 + 1000
    ours = Scale.of(values[:30]).apply(values)
    theirs = StandardScaler().fit(values[:30].astype(np.float64)).transform(values.astype(np.float64))
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6, -3.3])
def test_a_constant_feature_is_nothing_even_where_it_moves_later(value):
    train = np.full((9, 1), value, dtype=np.float32)
    assert (Scale.of(train).apply(np.array([[value], [value + 5]], dtype=np.float32)) == 0).all()


def test_by_speaker_in_numbers(capsys):
    """a has 1, 2, 3: mean 2, deviation sqrt(2/3). b has 10, 10, 10: constant. c has one clip: the corpus's scale."""
    values = np.array([[1.0], [10], [2], [10], [3], [10], [7]])
    fallback = Scale(np.array([5.0]), np.array([4.0]))
    found = by_speaker(values, ["a", "b", "a", "b", "a", "b", "c"], fallback)
    unit = 1 / np.sqrt(2 / 3)
    assert found[:, 0] == pytest.approx([-unit, 0, 0, 0, unit, 0, 0.5])
    assert "speaker c has fewer than 3 clips here" in capsys.readouterr().err


def test_a_prior_in_numbers(capsys):
    """a has 1 and 3 in units of the corpus. With 2 clips of mean 0 and variance 1 beside them: mean 4 / 4 = 1,
    variance (0 + 4 + 2) / 4 = 6 / 4. b has one clip, 3: mean 3 / 3, variance (4 + 2) / 3."""
    values = np.array([[7.0], [11.0], [11.0]])
    found = by_speaker(values, ["a", "a", "b"], Scale(np.array([5.0]), np.array([2.0])), prior=2.0)
    assert found[:, 0] == pytest.approx([0, 2 / np.sqrt(6 / 4), 2 / np.sqrt(6 / 3)])
    assert capsys.readouterr().err == "", "few clips are no exception here"


def test_few_clips_of_many_speakers_are_told_in_one_line(capsys):
    by_speaker(np.ones((4, 1)), ["a", "b", "c", "d"], Scale(np.zeros(1), np.ones(1)))
    assert "4 speakers (a, b, c and 1 more) have fewer" in capsys.readouterr().err


def test_a_row_without_a_speaker():
    rows = manifest.make(id=["a", "b"], speaker=["x", None])
    with pytest.raises(UserError, match=r"1 of 2 rows have no speaker \(b\).*normalise=corpus"):
        speakers_of(rows)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_is_named(bad):
    values = np.zeros((3, 4), dtype=np.float32)
    values[1, 2] = bad
    with pytest.raises(WorkError, match=r"1 of 4 features are no numbers \(f2\) for 1 of 3 clips: b;"):
        require_finite(values, ["f0", "f1", "f2", "f3"], ["a", "b", "c"])
