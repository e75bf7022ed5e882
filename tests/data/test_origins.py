"""By whom clips are drawn together."""

import pandas as pd
import pytest

from emospeech.data.origins import origins


@pytest.mark.parametrize(
    ("columns", "by", "count"),
    [
        ({"speaker": ["a", "a", "b", "b"]}, "speaker", 2),
        ({"speaker": ["a", "a", "b", "c"], "group": ["v", "v", "w", "w"]}, "recording", 2),
        ({"speaker": ["a", "a", "b", None]}, "speaker", 3),
        ({"speaker": ["a", "a", "a", "a"], "corpus": ["x", "x", "y", "y"]}, "speaker", 2),
        ({"speaker": ["a", "a", "a", "b"], "corpus": [None, None, "y", "y"]}, "speaker", 3),
    ],
)
def test_the_coarser_of_speakers_and_recordings(columns, by, count):
    found = origins(pd.DataFrame(columns))
    assert (found.by, found.count, len(found.names)) == (by, count, 4)


@pytest.mark.parametrize(
    "columns",
    [
        {"id": ["x", "y"]},
        {"speaker": [None, None, None]},
        {"speaker": ["a", "a", None, None]},  # of half of them nobody knows
        {"speaker": ["a", "a", "a"]},
        {"speaker": ["a", "b", "c"]},  # clips again
    ],
)
def test_nothing_to_draw_together(columns):
    assert origins(pd.DataFrame(columns)) is None
