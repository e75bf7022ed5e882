"""The three runs of `emospeech demo`, after one epoch on a few clips: what serves the tests that start a server."""

from pathlib import Path

from emospeech.cli.main import main
from emospeech.config import recipes_folder
from emospeech.corpora import demo

CLIPS = {"train": 36, "dev": 12, "test": 8}
MODALITIES = {"demo": (), "demo_speech": ("text=null",), "demo_text": ("speech=null",)}


def trained(folder: Path, *names: str) -> list[Path]:
    """The run folders of these names, made in `folder`."""
    demo.make(folder / "corpus", CLIPS)
    for name in names:
        words = [f"data.root={folder / 'corpus'}", f"runs_dir={folder}", f"name={name}", "train.epochs=1"]
        assert main(["train", str(recipes_folder() / "demo.yaml"), *words, *MODALITIES[name]]) == 0
    return [folder / name for name in names]
