"""Pre-trained encoders, copied into an exported folder: safetensors alone, whatever the checkpoint was kept in."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from emospeech.encoders import checkpoint
from emospeech.encoders.deepspectrum import weights
from emospeech.encoders.text import sentence
from emospeech.runtime.files import write_text
from emospeech.systems.portable import INSIDE
from emospeech.systems.vectors.images import KIND as DEEP_SPECTRUM

Entry = Mapping[str, Any]  # name, revision, sha256: what a model folder tells of an encoder
FOLDER = "encoders"
RANDOM = "random"  # the name of weights that a seed makes


def is_local(entry: Entry) -> bool:
    """Whether it is a file or folder of this machine, which nobody else can find, wherever one stands now: what came
    from the Hub has a commit; what came from a folder the hash of its files."""
    by_content = bool(entry.get("sha256")) and not entry["revision"]
    return by_content or Path(entry["name"]).expanduser().exists()


def copied(kind: str, entry: Entry, folder: Path, taken: Mapping[str, Any]) -> dict[str, Any]:
    """Copy an encoder into `folder`, and say under which name and hash it is found there.

    Args:
        kind: speech, text, or deep_spectrum and the name of the weights.
        taken: names of copies that are there already.

    Raises:
        UserError: if it cannot be loaded.
    """
    family = kind.split(" ")[0]
    same = sum(one.split(" ")[0] == family for one in taken)
    name = f"{FOLDER}/{family}" + (f"_{same + 1}" if same else "")
    COPIES[family](entry["name"], entry["revision"], folder / name)
    origin = None if is_local(entry) else {"name": entry["name"], "revision": entry["revision"]}
    return {"name": f"{INSIDE}{name}", "revision": None, "sha256": _hash(family, folder / name), "copy_of": origin}


def _hash(family: str, folder: Path) -> str | None:
    if family == DEEP_SPECTRUM:
        return weights.identity(str(folder))["sha256"]
    return checkpoint.folder_hash(folder)


def _speech(name: str, revision: str | None, folder: Path) -> None:
    from transformers import AutoFeatureExtractor

    _transformer(name, revision, folder)
    extractor = checkpoint.loaded(
        "preprocessor", name, lambda: AutoFeatureExtractor.from_pretrained(name, revision=revision)
    )
    extractor.save_pretrained(folder)


def _text(name: str, revision: str | None, folder: Path) -> None:
    from emospeech.encoders.text.tokenizer import load_tokenizer

    if sentence.is_pipeline(name, revision):
        sentence.pipeline(name, revision).save_pretrained(str(folder), create_model_card=False)
        return
    _transformer(name, revision, folder)
    save_tokenizer(load_tokenizer(name, revision), folder)


def _transformer(name: str, revision: str | None, folder: Path) -> None:
    """A whole checkpoint, not what a recipe has left of it; weights that it lacks are not made up."""
    import torch
    from transformers import AutoModel

    model, info = checkpoint.loaded(
        "model",
        name,
        lambda: AutoModel.from_pretrained(name, revision=revision, dtype=torch.float32, output_loading_info=True),
    )
    missing = set(info["missing_keys"])
    checkpoint.require_weights(name, model.config.model_type, missing)
    model.save_pretrained(folder, state_dict={k: v for k, v in model.state_dict().items() if k not in missing})


def _weights(name: str, revision: str | None, folder: Path) -> None:
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    found = weights.read(weights.find(name, revision))
    save_file({key: value.contiguous() for key, value in found.items()}, folder / weights.NAMES[0])


COPIES: Mapping[str, Callable[[str, str | None, Path], None]] = {
    "speech": _speech,
    "text": _text,
    DEEP_SPECTRUM: _weights,
}


def save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """A tokenizer's files, without what tells that they came from a folder of this machine."""
    tokenizer.save_pretrained(folder)
    as_elsewhere(folder / "tokenizer_config.json")


def as_elsewhere(config: Path) -> None:
    """Take from a tokenizer's config what holds on this machine alone."""
    import json

    if config.is_file():
        told = json.loads(config.read_text(encoding="utf-8"))
        local = ("is_local", "local_files_only", "name_or_path", "cache_dir")
        kept = {key: value for key, value in told.items() if key not in local}
        write_text(config, json.dumps(kept, indent=2, ensure_ascii=False) + "\n")


def save_extractor(name: str, revision: str | None, folder: Path) -> None:
    """The preprocessor_config.json of a speech encoder."""
    from transformers import AutoFeatureExtractor

    checkpoint.loaded(
        "preprocessor", name, lambda: AutoFeatureExtractor.from_pretrained(name, revision=revision)
    ).save_pretrained(folder)
