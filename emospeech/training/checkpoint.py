"""Where training stands, on disk: whole or not at all, the newest readable one wins, a damaged one is named."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from emospeech.runtime import distributed
from emospeech.runtime.console import say
from emospeech.runtime.errors import WorkError
from emospeech.runtime.files import replacing

KEEP = 2  # newest checkpoints; the older one serves if the newest is damaged


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one training in one folder."""

    folder: Path

    @property
    def best_path(self) -> Path:
        return self.folder / "best.safetensors"

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Tensors and plain values; older checkpoints beyond `KEEP` go."""
        with replacing(self.folder / f"step-{step:08d}.pt") as temporary:
            torch.save(state, temporary)
        for path in self._newest_first()[KEEP:]:
            path.unlink()

    def any(self) -> bool:
        """Whether there is one."""
        return bool(self._newest_first())

    def load(self) -> dict[str, Any] | None:
        """The newest one that can be read, or None. Every process must call it at the same point.

        Raises:
            WorkError: if they do not all read the same.
        """
        name, state = self._newest()
        names = distributed.of_all(name)
        if len(set(names)) > 1:
            told = ", ".join(f"process {rank}: {one or 'none'}" for rank, one in enumerate(names))
            raise WorkError(
                f"not all processes find the same newest checkpoint in {self.folder} ({told}); a shared file system "
                "may be late: go on with --resume"
            )
        return state

    def _newest(self) -> tuple[str, dict[str, Any] | None]:
        for path in self._newest_first():
            try:
                state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
                return path.name, state
            except Exception as error:  # a truncated zip raises many things
                say(f"checkpoint {path} is damaged and skipped ({type(error).__name__})")
        return "", None

    def save_best(self, weights: dict[str, Tensor]) -> None:
        with replacing(self.best_path) as temporary:
            # as bytes, so that a full disk is an ordinary OSError
            temporary.write_bytes(to_bytes({key: value.contiguous().cpu() for key, value in weights.items()}))

    def load_best(self) -> dict[str, Tensor]:
        return load_file(self.best_path)

    def _newest_first(self) -> list[Path]:
        return sorted(self.folder.glob("step-*.pt"), reverse=True)
