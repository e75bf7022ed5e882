"""Predicting whole clips of different lengths through the encoders: one by one, like lengths together, at random."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import network
import numpy as np
import torch
from measuring import Report, Row, Setting, Work, alternating, bf16_unit, compared

from emospeech.encoders.store.reader import bf16_is_native

TOGETHER = 4
CLIPS = 12


@dataclass(frozen=True)
class Plan:
    shortest: float  # seconds
    longest: float
    rounds: int = 2


PLANS = {False: Plan(2.0, 15.0), True: Plan(0.3, 1.0)}


def run(setting: Setting) -> Report:
    plan = PLANS[setting.quick]
    seconds = np.random.default_rng(0).permutation(np.linspace(plan.shortest, plan.longest, CLIPS))
    examples = network.heard(seconds.tolist(), setting.quick)
    net = network.network(setting.quick).to(setting.device).eval()
    logits: dict[str, torch.Tensor] = {}

    def predicting(name: str, rows: Sequence[Sequence[int]], bf16: bool) -> Callable[[], None]:
        made = [network.batch([examples[row] for row in part]) for part in rows]

        @torch.no_grad()
        def work() -> None:
            found = torch.empty(CLIPS, 6)
            for batch in made:
                with torch.autocast(setting.device.type, torch.bfloat16, enabled=bf16):
                    found[batch.rows] = net(batch.to(setting.device))[network.TASK].float().cpu()
            logits[name] = found

        return work

    ways, native = _ways(seconds), bf16_is_native(setting.device) or bool(bf16_unit())
    works = {f"fp32 {name}": Work(predicting(f"fp32 {name}", rows, False)) for name, rows in ways.items()}
    if native:  # emulated, it takes several times as long and nobody would
        works |= {f"bf16 {name}": Work(predicting(f"bf16 {name}", rows, True)) for name, rows in ways.items()}
    found = alternating(works, plan.rounds, setting.device, setting.say)
    return _report(setting, {name: [s / CLIPS for s in each] for name, each in found.items()}, logits)


def _ways(seconds: np.ndarray) -> dict[str, list[list[int]]]:
    """The rows of each batch."""

    def parted(rows: Sequence[int]) -> list[list[int]]:
        return [list(rows[first : first + TOGETHER]) for first in range(0, len(rows), TOGETHER)]

    return {
        "one by one": [[row] for row in range(len(seconds))],
        f"like lengths by {TOGETHER}": parted(np.argsort(seconds).tolist()),
        f"at random by {TOGETHER}": parted(range(len(seconds))),
    }


def _report(setting: Setting, found: dict[str, list[float]], logits: dict[str, torch.Tensor]) -> Report:
    first = "fp32 one by one"
    rows: list[Row] = [
        compared(f"predicting a clip: {name} / {first}", found[name], found[first]) for name in found if name != first
    ]
    spread = logits[first].std(dim=0).mean()
    notes = []
    for name in [name for name in found if name != first]:
        same = int((logits[name].argmax(1) == logits[first].argmax(1)).sum())
        off = float((logits[name] - logits[first]).abs().max() / spread)
        notes.append(f"{name}: {same} of {CLIPS} argmax equal, logits off by up to {off:.2g} of their deviation")
    unit = "the GPU's own" if setting.device.type == "cuda" else bf16_unit() or "emulated by this CPU, so not tried"
    return Report(rows, [f"prediction, random head; bfloat16 is {unit}; " + "; ".join(notes)])
