"""A grid is checked wherever a recipe is loaded."""

import pytest

from emospeech.config import recipes_folder
from emospeech.runtime.errors import UserError
from emospeech.systems import build


@pytest.mark.parametrize("load", [build.load_recipe, build.load_seeds, build.load_benchmark])
@pytest.mark.parametrize(("key", "message"), [("data.limit", "cannot be tuned"), ("classical.model.depth", "depth")])
def test_a_faulty_grid_is_refused_before_any_work(load, key, message, tmp_path):
    overrides = [f"data.root={tmp_path}", f"tune={{grid: {{{key}: [1, 2]}}}}"]
    with pytest.raises(UserError, match=message):
        load(recipes_folder() / "classical_speech.yaml", overrides)
