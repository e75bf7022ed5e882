"""Probabilities of a network over batches, gathered from all processes; and what steers a fit by them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from emospeech.data.examples.dataset import Batch
from emospeech.metrics.scores import score
from emospeech.runtime.interrupt import StopRequest
from emospeech.runtime.memory import is_out_of_memory


def share_buffers(network: nn.Module) -> None:
    """Batch-norm statistics of the main process to all, so that every process evaluates the same model."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        for buffer in network.buffers():
            torch.distributed.broadcast(buffer, src=0)


def predict(network: nn.Module, batches: Iterable[Batch], accelerator: Any) -> dict[str, dict[int, Tensor]]:
    """Per task, row -> probabilities (classes,) float64 on the CPU; all rows of all processes, each once."""
    found = predict_unless(False, network, batches, accelerator)
    assert found is not None
    return found


@torch.no_grad()
def predict_unless(
    stop: StopRequest | bool, network: nn.Module, batches: Iterable[Batch], accelerator: Any
) -> dict[str, dict[int, Tensor]] | None:
    """As `predict`, or None on every process if one of them was asked to stop before its last batch."""
    network.eval()
    own: list[tuple[str, int, Tensor]] = []
    cut = False
    for batch in batches:
        if cut := bool(stop):
            break
        for task, values in _logits(network, batch, accelerator).items():
            chances = torch.softmax(values.double(), dim=-1).cpu()
            own += [(task, row, chance) for row, chance in zip(batch.rows.tolist(), chances, strict=True)]
    if any(gathered([cut], accelerator)):
        return None
    found: dict[str, dict[int, Tensor]] = {}
    for task, row, chance in gathered(own, accelerator):
        found.setdefault(task, {})[row] = chance
    return found


def _logits(network: nn.Module, batch: Batch, accelerator: Any) -> dict[str, Tensor]:
    """Logits per task (B, classes); a batch that does not fit into memory goes through in halves."""
    try:
        with accelerator.autocast():
            logits: dict[str, Tensor] = network(batch.to(accelerator.device))
            return logits
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error) or len(batch.rows) == 1:
            raise
    if accelerator.device.type == "cuda":
        torch.cuda.empty_cache()
    half = len(batch.rows) // 2
    halves = [_logits(network, batch.part(rows), accelerator) for rows in (slice(half), slice(half, None))]
    return {task: torch.cat([one[task] for one in halves]) for task in halves[0]}


def gathered(own: list[Any], accelerator: Any) -> list[Any]:
    """The items of all processes, on every process."""
    if accelerator.num_processes == 1:
        return own
    from accelerate.utils import gather_object

    everyone: list[Any] = gather_object(own)
    return everyone


def batches_of(loader: Iterable[Batch], bar: Callable[..., None]) -> Iterator[Batch]:
    """The batches, each ticked off on a progress bar."""
    for batch in loader:
        yield batch
        bar(len(batch.rows))


def steering(chances: np.ndarray, truth: Sequence[str], labels: Sequence[str]) -> dict[str, float]:
    """What a fit is steered and watched by: `dev_macro_f1`, which decides, `dev_accuracy` and `dev_loss`.

    Args:
        chances: probabilities (rows, classes).
        truth: labels (rows,).
    """
    result = score(truth, [labels[k] for k in chances.argmax(axis=1)], labels)
    right = chances[np.arange(len(truth)), [labels.index(label) for label in truth]]
    loss = float(-np.log(np.maximum(right, 1e-12)).mean())
    return {"dev_macro_f1": result.macro_f1, "dev_accuracy": result.accuracy, "dev_loss": loss}
