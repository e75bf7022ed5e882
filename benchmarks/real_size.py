"""The main recipe at its real size, from sound to the last epoch, on made-up clips: where does the time go?

    python benchmarks/real_size.py [--clips 3750] [--epochs 93] [--seconds 9.2] [--views 1] [--dtype fp16]
        [--device auto]

Full-size encoders with random weights hear noise that is made on the fly, of lengths as a corpus has them, and read
random tokens; their states go into the GPU's memory, else the host's, else a temporary folder; the head trains with
batches of 16 and is evaluated on the dev clips after each epoch. On a CPU: --clips 40 --epochs 3.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import network
import stores
import torch
from measuring import available, finish, hardware, peak, period

from emospeech.data.examples.batching import TrainingOrder, evaluation_order
from emospeech.encoders.store import room
from emospeech.encoders.store.extraction import Memory, Packing, extract
from emospeech.encoders.store.folder import FeatureSet
from emospeech.encoders.store.packed import DTYPES, Packed, bytes_per_frame
from emospeech.encoders.store.reader import Item, Reader, bf16_is_native
from emospeech.labels import EMOSPEECH2024
from emospeech.metrics.scores import score
from emospeech.models.classifier import EmotionNetwork
from emospeech.training import evaluation, loop
from emospeech.training.checkpoint import Checkpoints
from emospeech.training.schedules import Plateau
from emospeech.training.standing import Plan

TOGETHER = 32  # stored rows evaluated at once, as the feed of the neural system does
BUDGETS = {"cuda": (240.0, 16_384.0), "cpu": (0.0, 512.0)}  # seconds and tokens that an encoder takes at once


@dataclass
class Clock:
    """Seconds by phase."""

    device: torch.device
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        finish(self.device)
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

    def waiting(self, name: str, items: Iterable[Any]) -> Iterator[Any]:
        """The items; what it takes to get each is counted."""
        source = iter(items)
        while True:
            began = time.perf_counter()
            item = next(source, None)
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
            if item is None:
                return
            yield item


@dataclass(frozen=True)
class TimedCheckpoints(Checkpoints):
    """Checkpoints that count the time they take."""

    clock: Clock

    def save(self, step: int, state: dict[str, Any]) -> None:
        with self.clock.phase("checkpoints"):
            super().save(step, state)

    def save_best(self, weights: Mapping[str, torch.Tensor]) -> None:
        with self.clock.phase("checkpoints"):
            super().save_best(dict(weights))


@dataclass(frozen=True)
class Corpus:
    """Made-up clips: training rows, then dev rows."""

    seconds: Sequence[float]
    words: Sequence[int]  # tokens of each text
    train: int
    views: int  # of each training row
    tiny: bool

    def speech_items(self) -> list[Item]:
        """Of each row its views, which are as long as the clip."""
        return [
            Item(view_key(row, view), seconds, partial(self._waveform, seconds, row * self.views + view))
            for row, seconds in enumerate(self.seconds)
            for view in range(self.views if row < self.train else 1)
        ]

    def _waveform(self, seconds: float, seed: int) -> torch.Tensor:
        return torch.as_tensor(network.speech_encoder(self.tiny).preprocess(network.sound(seconds, seed)))

    def text_items(self) -> list[Item]:
        def read(row: int, count: int) -> torch.Tensor:
            return torch.as_tensor(network.tokens(count, row, self.tiny))

        return [Item(view_key(row, 0), count, partial(read, row, count)) for row, count in enumerate(self.words)]


def view_key(row: int, view: int) -> str:
    return f"{row:060x}{view:04x}"


def place(device: torch.device, size: float, folder: Path) -> tuple[str, Callable[[str], Any]]:
    """Where states of so many bytes go, in words, and what makes it for a kind: as the project chooses, but the GPU's
    and the host's memory before the disk."""
    if device.type == "cuda" and size <= torch.cuda.mem_get_info(device)[0] * room.GPU_SHARE:
        return "held on the GPU", lambda kind: Memory(device)
    if size <= min([available(), *room._limits()]) * room.HOST_SHARE:
        return "held in memory", lambda kind: Memory()
    if size <= shutil.disk_usage(folder).free - room.SPARE_DISK:
        return f"in a temporary folder, {folder}", lambda kind: stores.feature_set(folder, kind, "real size")
    raise SystemExit(f"there is no room for {room.size(size)} of states; take fewer --clips, or --dtype int8")


def extracted(
    items: Sequence[Item], encode: Any, into: Any, dtype: str, budget: float, pad: float, device: torch.device
) -> tuple[dict[str, Packed], float]:
    """States by key, and the seconds inside the encoder."""
    reader = Reader(encode, device, bf16_is_native(device), budget, pad)
    row = bytes_per_frame(dtype, *encode.shape)
    extract(items, reader, into, Packing(dtype), lambda item: encode.states(item) * row, lambda advance=1: None)
    if isinstance(into, FeatureSet):
        return into.load([item.key for item in items], verify=False)[0], reader.seconds
    return into.entries, reader.seconds


@dataclass(frozen=True)
class Speech:
    """The speech encoder, as extraction calls it."""

    encoder: Any

    @property
    def shape(self) -> tuple[int, int]:
        return self.encoder.depth, self.encoder.width

    def states(self, item: Item) -> int:
        return int(self.encoder.frames(round(item.length * network.SAMPLE_RATE)))

    def __call__(self, inputs: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.encoder(inputs, mask)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Text:
    """The text encoder, as extraction calls it."""

    encoder: Any

    @property
    def shape(self) -> tuple[int, int]:
        return 1, self.encoder.width

    def states(self, item: Item) -> int:
        return int(item.length)

    def __call__(self, inputs: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        states, valid = self.encoder(inputs, mask)
        return states[:, None], valid


def train(corpus: Corpus, speech: Any, text: Any, net: Any, epochs: int, crop: int, folder: Path, clock: Clock) -> int:
    """All epochs, with an evaluation after each; the steps taken."""
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=clock.device.type == "cpu")
    order = TrainingOrder(corpus.train, network.BATCH, seed=0)
    steps = epochs * order.steps_per_epoch
    rows, dev_rows = range(corpus.train), range(corpus.train, len(corpus.seconds))
    views = [tuple(speech[view_key(row, view)] for view in range(corpus.views)) for row in rows]
    words = [text[view_key(row, 0)] for row in rows]
    drawn = stores.dataset(views, words, stores.crops(crop, network.AUGMENTED if corpus.views > 1 else 0.0))
    whole = [(speech[view_key(row, 0)],) for row in dev_rows]
    dev = stores.dataset(whole, [text[view_key(row, 0)] for row in dev_rows], stores.crops(None), labelled=False)
    dev_order = evaluation_order([corpus.seconds[row] for row in dev_rows], TOGETHER)
    truth = [EMOSPEECH2024[row % 6] for row in range(len(whole))]

    def validate(stop: object) -> dict[str, float]:
        with clock.phase("evaluation"):
            found = evaluation.predict(net, stores.batches(dev, dev_order), accelerator)[network.TASK]
            named = [EMOSPEECH2024[int(found[row].argmax())] for row in range(len(truth))]
            return {"dev_macro_f1": score(truth, named, EMOSPEECH2024).macro_f1}

    with clock.phase("training"):
        loop.train(
            loop.Parts(net, {network.TASK: network.cross_entropy()}, network.adamw(net), Plateau(), accelerator),
            Plan(steps, order.steps_per_epoch),
            order,
            lambda remaining: clock.waiting("batches", stores.batches(drawn, remaining)),
            validate,
            TimedCheckpoints(folder / "checkpoints", clock),
            lambda history: None,
            False,  # type: ignore[arg-type] # nobody asks it to stop
        )
    clock.seconds["training"] -= clock.seconds["evaluation"] + clock.seconds["checkpoints"]
    return steps


def run(corpus: Corpus, epochs: int, crop: float, dtype: str, device: torch.device, folder: Path) -> list[str]:
    """All of it; lines that tell where the time went."""
    clock = Clock(device)
    with clock.phase("building"):
        speech, text = network.speech_encoder(corpus.tiny).to(device), network.text_encoder(corpus.tiny).to(device)
    hears, reads = Speech(speech), Text(text)
    items, texts = corpus.speech_items(), corpus.text_items()
    size = sum(hears.states(item) for item in items) * bytes_per_frame(dtype, *hears.shape)
    size += sum(corpus.words) * bytes_per_frame(dtype, *reads.shape)
    where, make = place(device, size, folder)
    sound = sum(item.length for item in items)
    lines = [f"{len(items)} inputs, {sound / 3600:.2f} h of sound; states: {room.size(size)} in {dtype}, {where}"]
    print(lines[0], flush=True)
    seconds, tokens = BUDGETS["cuda" if device.type == "cuda" else "cpu"]
    with clock.phase("speech"):
        heard, inside = extracted(items, hears, make("speech"), dtype, seconds, 0.0, device)
    with clock.phase("text"):
        read, _ = extracted(texts, reads, make("text"), dtype, tokens, float(network.PAD), device)
    speech.cpu(), text.cpu()
    net = EmotionNetwork(network.classifier(hears.shape, text.width)).to(device)
    crop_frames = speech.frames(round(crop * network.SAMPLE_RATE))
    steps = train(corpus, heard, read, net, epochs, crop_frames, folder, clock)
    return lines + told(clock, len(items), sound, inside, steps, epochs * (len(corpus.seconds) - corpus.train))


def told(clock: Clock, inputs: int, sound: float, inside: float, steps: int, evaluated: int) -> list[str]:
    """The table."""
    took = clock.seconds
    notes = {
        "speech": f"{period(took['speech'] / inputs)} an input, {sound / took['speech']:.3g} x real time, "
        f"{inside / took['speech']:.1%} inside the encoder",
        "text": "",
        "training": f"{steps} steps, {period(took['training'] / steps)} each, of which "
        f"{period(took['batches'] / steps)} waiting for the batch",
        "evaluation": f"{period(took['evaluation'] / max(evaluated, 1))} a clip",
        "checkpoints": "",
    }
    names = {"speech": "extraction, speech", "text": "extraction, text", "training": "training steps"}
    total = sum(took[name] for name in notes)
    lines = ["| | seconds | share | |", "|---|---:|---:|---|"]
    lines += [f"| {names.get(k, k)} | {took[k]:.1f} | {took[k] / total:.1%} | {note} |" for k, note in notes.items()]
    lines += [f"| total | {total:.1f} | | without the {took['building']:.1f} s that making the encoders took |"]
    memory = "of the GPU" if clock.device.type == "cuda" else "of the process"
    return ["", *lines, "", f"peak memory {memory}: {peak(clock.device):.1f} GiB"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=3750, help="of which a fifth is for evaluation")
    parser.add_argument("--epochs", type=int, default=network.EPOCHS)
    parser.add_argument("--seconds", type=float, default=network.MEAN_SECONDS, help="of a clip, on average")
    parser.add_argument("--views", type=int, default=1, help="of each training clip, the clip itself among them")
    parser.add_argument("--dtype", choices=DTYPES, default="fp16")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--quick", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    clips, epochs, mean, crop = arguments.clips, arguments.epochs, arguments.seconds, network.CROP_SECONDS
    if arguments.quick:
        clips, epochs, mean, crop = 40, 2, 0.8, 0.5
    if clips < 5 or epochs < 1 or arguments.views < 1:
        parser.error("it takes 5 clips, an epoch and a view at least")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what lies on the disk is removed
    automatic = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(automatic if arguments.device == "auto" else arguments.device)
    lengths = network.lengths(clips, mean).tolist()
    corpus = Corpus(lengths, network.text_lengths(clips), clips * 4 // 5, arguments.views, arguments.quick)
    print("\n".join(hardware()))
    print(f"{corpus.train} + {clips - corpus.train} clips, log-normal (sigma 0.5) in {min(lengths):.1f} – ", end="")
    print(f"{max(lengths):.1f} s, {sum(lengths) / clips:.1f} s on average; texts of 15 – 45 tokens; {epochs} epochs")
    with tempfile.TemporaryDirectory(prefix="emospeech-real-size-") as folder:
        lines = run(corpus, epochs, crop, arguments.dtype, device, Path(folder))
    print("\n".join(lines[1:]))


if __name__ == "__main__":
    main()
