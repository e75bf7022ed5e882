"""What makes the tests cheap without making them blind: no pictures painted unasked, no old objects looked at again."""

import base64
import gc
from pathlib import Path

import pytest
from matplotlib.figure import Figure

PAINT = Figure.savefig
# of one white pixel
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj5gAAAAABJRU5ErkJggg==")


def lay_out(figure: Figure, path: object, **options) -> None:
    """As `savefig`, but for the pixels of a .png: a third of a small run's time went into them.

    All texts, ticks and scales are worked out, so what cannot be drawn still fails.
    """
    if not isinstance(path, str | Path) or Path(path).suffix != ".png":  # streams are of pages, which show them
        PAINT(figure, path, **options)
        return
    figure.draw_without_rendering()
    Path(path).write_bytes(PNG)


@pytest.fixture(scope="session", autouse=True)
def laid_out_only():
    Figure.savefig = lay_out
    yield
    Figure.savefig = PAINT
    gc.unfreeze()  # libraries say at the end what they could not free


@pytest.fixture
def painted(monkeypatch):
    """Pictures as users get them, for tests that look at them."""
    monkeypatch.setattr(Figure, "savefig", PAINT)


@pytest.fixture(scope="module", autouse=True)
def settled():
    """Each fit has the garbage collected: what imports and earlier files left need not be searched every time."""
    gc.collect()
    gc.freeze()
