"""Which clips are of people and recordings that training has not heard."""

import pandas as pd

from emospeech.data.unseen import unseen, what_is_new


def rows(speaker=None, group=None, corpus=None):
    told = {"speaker": speaker, "group": group, "corpus": corpus}
    count = len(next(values for values in told.values() if values))
    return pd.DataFrame({name: values or [None] * count for name, values in told.items()})


def test_new_speakers():
    found = unseen(rows(["a", "b", None]), rows(["a", "c", None, "b"]))
    assert found.what == "new speakers"
    assert found.rows.tolist() == [False, True, False, False], "of whom nobody tells may have been heard"


def test_new_in_every_respect():
    """A new speaker in a recording that training has cut clips out of is not new."""
    train = rows(["a", "b"], ["v1", "v2"])
    found = unseen(train, rows(["c", "c", "a"], ["v1", "v3", "v3"]))
    assert found.what == "new speakers and recordings"
    assert found.rows.tolist() == [False, True, False]


def test_two_corpora_may_call_people_alike():
    found = unseen(rows(["s1"], corpus=["es"]), rows(["s1", "s1"], corpus=["es", "de"]))
    assert found.rows.tolist() == [False, True]


def test_nothing_is_told():
    assert unseen(rows(["a"]), rows([None, None], group=[None, None], corpus=["c", "c"])) is None
    assert unseen(pd.DataFrame({"id": ["x"]}), pd.DataFrame({"id": ["y"]})) is None
    assert what_is_new(pd.DataFrame({"id": ["x"]})) == ""
    found = unseen(rows(["a"], ["v"]), rows(["b"], [None], ["c"]))
    assert (found.what, found.rows.tolist()) == ("new speakers", [True])
