"""One optimiser step of XLS-R-300M at full size with random weights, by what of it trains: time and peak memory.

    python benchmarks/finetune.py [--clips 2] [--seconds 5.5] [--rows full top:4] [--precisions fp32] [--small]

Each row is a fresh process, whose peak is then its own: of its resident memory on a CPU, of what was allocated on a
GPU. A head of the main recipe trains above; two steps are run, the second is timed. Needs no recipe, no data, and of
the packages torch, transformers and peft alone.
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import torch
from measuring import finish, hardware, peak

MODES: dict[str, tuple[str, dict[str, Any], bool]] = {  # row -> way to train, its options, gradient checkpointing
    "full": ("full", {}, False),
    "full, checkpointed": ("full", {}, True),
    "top:4": ("top:4", {}, False),
    "lora": ("lora", {"rank": 16, "alpha": 32.0}, False),
    "lora, checkpointed": ("lora", {"rank": 16, "alpha": 32.0}, True),
}
SMALL = {"top:4": "top:2"}  # the tiny one has three blocks
PRECISIONS = ("fp32", "bf16")


@dataclass(frozen=True)
class Measured:
    """A row of the table."""

    row: str
    precision: str
    trained: int  # parameters
    seconds: float  # of a step
    busy: float  # of a step, seconds of the processor: on a shared machine the steadier of the two
    peak: float  # GiB


def measured(row: str, precision: str, clips: int, seconds: float, small: bool) -> Measured:
    """Two steps in this process."""
    from network import MODEL, TASK, batch, heard, speech_encoder, trainer

    from emospeech.encoders.finetuning.modes import mode
    from emospeech.encoders.finetuning.tuning import sound, tune
    from emospeech.labels import EMOSPEECH2024
    from emospeech.models.build import build_classifier
    from emospeech.models.classifier import EmotionNetwork
    from emospeech.training.switches import recompute_in_place

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder, (name, options, checkpointed) = speech_encoder(small), MODES[row]
    way = mode(SMALL.get(name, name) if small else name, options)
    assert way is not None
    tune(encoder, way, sound(encoder), spec_augment=True)
    classifier = build_classifier(MODEL, {TASK: EMOSPEECH2024}, (encoder.depth, encoder.width), None)
    net = EmotionNetwork(classifier, encoder)
    if checkpointed:
        recompute_in_place([encoder])
    step, micro = trainer(net, device, bf16=precision == "bf16"), [batch(heard([seconds] * clips, small))]
    for _ in range(2):
        began, busy = time.perf_counter(), time.process_time()
        step(micro)
        finish(device)
    took, busy = time.perf_counter() - began, time.process_time() - busy
    trained = sum(p.numel() for p in net.parameters() if p.requires_grad)
    return Measured(row, precision, trained, took, busy, peak(device))


def in_a_fresh_process(row: str, precision: str, words: list[str]) -> Measured:
    command = [sys.executable, __file__, "--one", row, precision, *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5.5)
    parser.add_argument("--rows", nargs="*", choices=MODES, default=list(MODES))
    parser.add_argument("--precisions", nargs="*", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument("--small", action="store_true", help="a tiny architecture, to try it")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)  # row and precision: measured in this process
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(asdict(measured(*asked.one, asked.clips, asked.seconds, asked.small))))
        return
    words = ["--clips", str(asked.clips), "--seconds", str(asked.seconds), *(["--small"] if asked.small else [])]
    print(f"{'; '.join(hardware())}; {asked.clips} x {asked.seconds} s, random weights\n")
    print("| what trains | precision | trained parameters | s a step | CPU s | peak GiB |\n|---|---|---|---|---|---|")
    for row in asked.rows:
        for precision in asked.precisions:
            found = in_a_fresh_process(row, precision, words)
            counts = f"{found.trained / 1e6:.1f} M" if found.trained > 1e5 else str(found.trained)
            times = f"{found.seconds:.2f} | {found.busy:.2f}"
            print(f"| {row} | {precision} | {counts} | {times} | {found.peak:.2f} |", flush=True)


if __name__ == "__main__":
    main()
