"""A training step of the head from stored states: streamed into the layer sum, against all layers stacked in float32.

    OMP_NUM_THREADS=2 python benchmarks/head_step.py [--clips 16] [--seconds 5.5] [--layers 24] [--width 1024]

The states lie in memory-mapped files whose pages are in memory. Both ways are timed in turn in one process.
"""

import argparse
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from emospeech.config import Model
from emospeech.encoders.features import Features, PackedStates
from emospeech.encoders.store.packed import DTYPES, Packed, pack
from emospeech.models.build import build_classifier

SAMPLE_RATE, STRIDE, FIELD = 16_000, 320, 400  # Hz; samples from frame to frame, and under one, of wav2vec 2.0
SPARE = 50  # frames that a file holds beyond a crop: a crop's layers do not lie end to end
TOKENS = 40  # of a transcript, at most
CLASSES = tuple("abcdef")
PARTS = ("layer_sum_forward", "other_forward", "backward_to_sum", "layer_sum_backward", "optimizer")


def frames_of(seconds: float) -> int:
    """
    >>> frames_of(5.5)
    274
    """
    return (round(seconds * SAMPLE_RATE) - FIELD) // STRIDE + 1


def stored(file: Path, dtype: str, clips: int, frames: int, layers: int, width: int) -> PackedStates:
    """Random states in a safetensors file, and crops of them read from it."""
    generator, kept = torch.Generator().manual_seed(0), {}
    for clip in range(clips):
        packed = pack(torch.randn(layers, frames + SPARE, width, generator=generator), dtype)
        kept[f"{clip}.values"] = packed.values
        if packed.scales is not None:
            kept[f"{clip}.scales"] = packed.scales
    save_file(kept, file)
    with safe_open(file, framework="pt") as shard:
        tensors = {name: shard.get_tensor(name) for name in kept}
    found = [Packed(tensors[f"{clip}.values"], tensors.get(f"{clip}.scales")) for clip in range(clips)]
    return PackedStates(tuple(one.cut(clip % SPARE, frames) for clip, one in enumerate(found)))


class Step:
    """A training step of the winner's head, and what its parts take."""

    def __init__(self, speech: PackedStates, layers: int, width: int) -> None:
        torch.manual_seed(0)
        self.model = build_classifier(Model(), {"label": CLASSES}, (layers, width), width).train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=5e-5)
        clips = len(speech.utterances)
        lengths = [TOKENS - 2 * (clip % 16) for clip in range(clips)]
        text = PackedStates(tuple(pack(torch.randn(1, tokens, width)) for tokens in lengths))
        self.speech, self.mask = speech, speech.mask()
        self.text, self.text_mask = text, text.mask()
        self.labels = torch.arange(clips) % len(CLASSES)
        self.marks: list[float] = []
        self.model.layer_mix.register_forward_hook(self._after_sum)  # type: ignore[union-attr]

    def _after_sum(self, module: Any, given: Any, total: Tensor) -> None:
        self._mark()
        total.register_hook(lambda gradient: self._mark())

    def _mark(self) -> None:
        self.marks.append(time.perf_counter())

    def __call__(self, streamed: bool) -> dict[str, float]:
        """Seconds of each part, of the step, and of all threads together."""
        began, busy, self.marks = time.perf_counter(), time.process_time(), []
        speech = self.speech if streamed else self.speech.padded()
        logits = self.model(Features(speech, self.mask, self.text, self.text_mask))["label"]
        loss = torch.nn.functional.cross_entropy(logits, self.labels)
        self._mark()
        loss.backward()
        self._mark()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self._mark()
        ends = [began, *self.marks]
        parts = {name: end - start for name, start, end in zip(PARTS, ends, ends[1:], strict=False)}
        return {**parts, "step": ends[-1] - began, "cpu": time.process_time() - busy}


def rows(
    clips: int = 16,
    seconds: float = 5.5,
    layers: int = 24,
    width: int = 1024,
    rounds: int = 7,
    dtypes: Sequence[str] = tuple(DTYPES),
    say: Callable[[str], None] = lambda line: None,
) -> list[dict[str, Any]]:
    """One row a dtype: medians in seconds of both ways, parts of the streamed one, peak memory so far in GiB."""
    found = []
    for dtype in dtypes:
        with tempfile.TemporaryDirectory() as folder:
            step = Step(stored(Path(folder, "states"), dtype, clips, frames_of(seconds), layers, width), layers, width)
            times: dict[bool, list[dict[str, float]]] = {True: [], False: []}
            for _ in range(rounds + 1):
                for streamed in times:
                    times[streamed].append(step(streamed))
            medians = {way: _medians(each[1:]) for way, each in times.items()}
        found.append(
            {
                "dtype": dtype,
                "streamed": medians[True]["step"],
                "stacked": medians[False]["step"],
                "streamed_cpu": medians[True]["cpu"],
                "stacked_cpu": medians[False]["cpu"],
                **{name: medians[True][name] for name in PARTS},
                "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
            }
        )
        say(line_of(found[-1]))
    return found


def _medians(times: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(each[name] for each in times) for name in times[0]}


def line_of(row: dict[str, Any]) -> str:
    """A row of the table, in milliseconds."""
    names = ("streamed", "stacked", "streamed_cpu", "stacked_cpu", *PARTS)
    ratio = row["stacked"] / row["streamed"]
    return f"| {row['dtype']} | {ratio:.1f} | " + " | ".join(f"{1000 * row[name]:.0f}" for name in names) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5.5)
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--dtypes", nargs="+", choices=tuple(DTYPES), default=tuple(DTYPES))
    given = parser.parse_args()
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, python {platform.python_version()}")
    print(f"{given.clips} clips of {frames_of(given.seconds)} frames, {given.layers} layers of {given.width}\n")
    names = ("dtype", "times faster", "streamed", "stacked", "streamed CPU", "stacked CPU", *PARTS)
    print("| " + " | ".join(name.replace("_", " ") for name in names) + " |", "|---" * len(names) + "|", sep="\n")
    rows(**vars(given), say=lambda line: print(line, flush=True))
    print("\nmedians in milliseconds; the parts are of the streamed way")


if __name__ == "__main__":
    main()
