"""What tests of systems share."""

import pytest

from emospeech.corpora import emospeech2024


@pytest.fixture(scope="session")
def rows(challenge):
    """Labelled rows: 24 that train, and those after them, which steer."""
    manifest = emospeech2024.index(challenge)
    labelled = manifest[manifest["label"].notna()]
    return labelled[:24].reset_index(drop=True), labelled[24:].reset_index(drop=True)
