"""Splits as laws: disjoint, stratified, of about the asked size, decided by the seed."""

import warnings
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emospeech.data import manifest, splits

labels = st.lists(st.sampled_from(["neutral", "joy", "fear", "anger"]), min_size=1, max_size=120)
fractions = st.floats(0.02, 0.98)
quick = settings(deadline=None, max_examples=80)


@quick
@given(labels, fractions, st.integers(0, 99))
def test_stratified(values, fraction, seed):
    picked = splits.stratified(values, fraction, seed)
    assert picked.shape == (len(values),)
    assert picked.dtype == bool
    for label, count in Counter(values).items():
        taken = int(picked[np.array(values) == label].sum())
        if count == 1:
            assert taken == 0  # the only one trains
        else:
            assert 1 <= taken <= count - 1
            assert abs(taken - fraction * count) <= 1
    np.testing.assert_array_equal(picked, splits.stratified(values, fraction, seed))


def test_stratified_draws_other_rows_for_another_seed():
    values = ["joy"] * 100
    assert (splits.stratified(values, 0.5, seed=0) != splits.stratified(values, 0.5, seed=1)).any()


def test_stratified_does_not_depend_on_the_other_classes_names():
    """Each class in turn, in alphabetical order: a table in another order draws as many of each."""
    values = ["a"] * 30 + ["b"] * 20
    assert splits.stratified(values, 0.2, 0)[:30].sum() == 6
    assert splits.stratified(values[::-1], 0.2, 0)[:20].sum() == 4


grouped = st.lists(
    st.tuples(st.sampled_from(["neutral", "joy", "fear"]), st.integers(0, 11)), min_size=4, max_size=100
).filter(lambda rows: len({group for _, group in rows}) > 1 and max(Counter(v for v, _ in rows).values()) > 1)


@quick
@given(grouped, fractions, st.integers(0, 99))
def test_groups_stay_together(rows, fraction, seed):
    values, groups = [v for v, _ in rows], [f"g{g}" for _, g in rows]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing for the user to read but what we say
        picked = splits.stratified_by_group(values, groups, fraction, seed)
    assert picked.dtype == bool
    assert picked.any()
    assert not picked.all()
    inside = {g for g, p in zip(groups, picked, strict=True) if p}
    outside = {g for g, p in zip(groups, picked, strict=True) if not p}
    assert not inside & outside
    np.testing.assert_array_equal(picked, splits.stratified_by_group(values, groups, fraction, seed))


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.16, 0.25, 0.33, 0.5, 0.67, 0.84, 0.95])
def test_groups_meet_the_fraction_where_they_can(fraction):
    rng = np.random.default_rng(0)
    groups = rng.integers(60, size=1200).astype(str)
    values = rng.choice(["neutral", "joy", "fear"], size=1200, p=[0.6, 0.3, 0.1])
    picked = splits.stratified_by_group(values.tolist(), groups.tolist(), fraction, seed=0)
    assert picked.mean() == pytest.approx(fraction, abs=0.03)
    for label in ("neutral", "joy", "fear"):  # and the classes are about as frequent on either side
        assert (values[picked] == label).mean() == pytest.approx((values == label).mean(), abs=0.08)


def test_a_class_of_one_group_trains():
    """All of `fear` is from one recording of eight: in dev it could only be got wrong."""
    groups = [f"g{k // 5}" for k in range(40)]
    values = ["joy" if k % 2 else "anger" for k in range(40)]
    values[5:10] = ["fear"] * 5
    for seed in range(10):
        picked = splits.stratified_by_group(values, groups, 0.25, seed)
        assert not picked[5:10].any()
        assert picked.sum() == 10


def test_one_group_cannot_be_split():
    with pytest.raises(ValueError, match="all rows belong to one group"):
        splits.stratified_by_group(["joy", "fear"], ["a", "a"], 0.5, 0)


def test_group_column():
    rows = manifest.make(id=["1", "2", "3"], speaker=["s", None, "s"], group=[None, None, None])
    assert splits.group_column(rows, "auto").tolist() == ["s", "row 2", "s"]
    assert splits.group_column(rows, "auto").name == "speaker"
    assert splits.group_column(rows, "none") is None
    assert splits.group_column(rows, "group") is None
    with_groups = rows.assign(group=["v", "v", None])
    assert splits.group_column(with_groups, "auto").name == "group"
    assert splits.group_column(with_groups, "speaker").name == "speaker"
