"""How often an epoch takes a clip of each class."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emospeech.training.losses import inverse
from emospeech.training.samplers import SAMPLERS, power

COUNTS = np.array([16.0, 4.0, 1.0, 0.0])


@pytest.mark.parametrize(
    ("name", "heard"),
    [
        ("none", [16.0, 4.0, 1.0, 0.0]),
        ("balanced", [7.0, 7.0, 7.0, 0.0]),
        ("square_root", [12.0, 6.0, 3.0, 0.0]),  # 4 : 2 : 1 of 21
    ],
)
def test_what_is_heard_of_each_class(name, heard):
    np.testing.assert_allclose(COUNTS * SAMPLERS[name](COUNTS), heard)


def test_between_none_and_balanced():
    np.testing.assert_allclose(power(COUNTS, q=0.25) * COUNTS, 21 * np.array([2, 2**0.5, 1, 0]) / (3 + 2**0.5))
    with pytest.raises(ValueError, match=r"q should lie between 0 and 1, got 2\.0"):
        power(COUNTS, q=2.0)


@given(
    counts=st.lists(st.floats(0.1, 1e6), min_size=1, max_size=8),
    absent=st.integers(0, 3),
    name=st.sampled_from(sorted(SAMPLERS)),
)
def test_an_epoch_keeps_its_size_and_the_order_of_the_classes(counts, absent, name):
    both = np.array([*counts, *[0.0] * absent])
    heard = both * SAMPLERS[name](both)
    assert heard.sum() == pytest.approx(both.sum())
    assert not heard[len(counts) :].any()
    assert (np.diff(heard[np.argsort(both)]) >= -1e-6 * both.sum()).all()


def test_balanced_classes_weigh_the_same_in_the_loss():
    heard = COUNTS[:3] * SAMPLERS["balanced"](COUNTS[:3])
    np.testing.assert_allclose(inverse(heard), [3.0, 3.0, 3.0])
