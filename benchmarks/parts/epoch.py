"""A training step of the main recipe: from the store, and with the encoders in the loop."""

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import network
import stores
import torch
from measuring import Mark, Report, Row, Setting, Work, alternating, compared, period

from emospeech.encoders.store.dataset import WHOLE, Drawing
from emospeech.encoders.store.packed import DTYPES
from emospeech.encoders.store.reader import bf16_is_native
from emospeech.models.classifier import EmotionNetwork

WANTED = 200  # times cheaper than with the encoders in the loop
WHOLE_WANTED = 80  # the whole recipe
CPU_MICRO = 4  # clips heard at once, for memory's sake
CLIP = "a clip through the speech encoder"
LOOP, LOOP_BF16 = "fp32 in the loop", "bf16 in the loop"
ON_GPU = "fp16 store on the GPU"
STEPS = network.EPOCHS * -(-network.TRAIN_CLIPS // network.BATCH)
VALIDATIONS = STEPS // network.VALIDATE_EVERY
EVALUATION = "whole clips evaluated"
TOGETHER = 26  # whole clips that a GPU hears at once


@dataclass(frozen=True)
class Plan:
    clips: int  # in the stores
    crop: float  # seconds
    mean: float  # seconds of a clip
    rounds: int = 3
    steps: int = 20  # from the store, for each one in the loop
    warmups: int = 3  # as many batches as are made ahead


PLANS = {False: Plan(48, network.CROP_SECONDS, network.MEAN_SECONDS), True: Plan(16, 0.5, 0.8, rounds=2, steps=3)}


def run(setting: Setting) -> Report:
    plan = PLANS[setting.quick]
    encoder, text = network.speech_encoder(setting.quick), network.text_encoder(setting.quick)
    setting.say(f"writing stores of {plan.clips} clips")
    sources, whole = _sources(setting, plan)
    shape = (encoder.depth, encoder.width), text.width
    works = {}
    for name, source in sources.items():
        step = network.trainer(EmotionNetwork(network.classifier(*shape)), setting.device)
        works[name] = Work(stores.step_over(step, source), plan.steps, plan.warmups)
    trained = EmotionNetwork(network.classifier(*shape)).to(setting.device).eval()
    works[EVALUATION] = Work(lambda: _evaluate(trained, next(whole), setting.device), plan.warmups + 1, plan.warmups)
    works |= {name: Work(work, warmups=setting.quick) for name, work in _loops(setting, plan).items()}
    found = alternating(works, plan.rounds, setting.device, setting.say)
    for source in (*sources.values(), whole):
        source.close()
    return _report(setting, found)


@torch.no_grad()
def _evaluate(net: EmotionNetwork, batch: Any, device: torch.device) -> None:
    net(batch.to(device))[network.TASK].cpu()


def _sources(setting: Setting, plan: Plan) -> tuple[dict[str, Any], Any]:
    """Endless batches of crops from a store of each dtype, mapped; on a GPU from one that it holds, too; and of whole
    clips, from the fp16 one."""
    encoder, text = network.speech_encoder(setting.quick), network.text_encoder(setting.quick)
    frames = [encoder.frames(round(s * network.SAMPLE_RATE)) for s in network.lengths(plan.clips, plan.mean)]
    sets = {
        kind: {dtype: stores.feature_set(setting.folder, kind, dtype) for dtype in DTYPES}
        for kind in ("speech", "text")
    }
    stores.fill(sets["speech"], encoder.depth, frames, encoder.width)
    stores.fill(sets["text"], 1, network.text_lengths(plan.clips), text.width)
    crops = stores.crops(encoder.frames(round(plan.crop * network.SAMPLE_RATE)))

    def endless(dtype: str, device: Any, draw: Drawing = crops) -> Any:
        speech, words = (stores.entries(sets[kind][dtype], plan.clips, device) for kind in ("speech", "text"))
        return stores.endless(stores.dataset([(one,) for one in speech], words, draw), plan.clips)

    found = {f"{dtype} store": endless(dtype, "cpu") for dtype in DTYPES}
    if setting.device.type == "cuda":
        found[ON_GPU] = endless("fp16", setting.device)
    return found, endless("fp16", "cpu", WHOLE)


def _loops(setting: Setting, plan: Plan) -> Mapping[str, Callable[[], Any]]:
    """Steps with the encoders under no_grad; what they hear is made, cropped and collated before."""
    examples = network.heard([plan.crop] * network.BATCH, setting.quick)
    size = network.BATCH if setting.device.type == "cuda" else CPU_MICRO
    micro = [network.batch(examples[first : first + size]) for first in range(0, len(examples), size)]
    step = network.trainer(network.network(setting.quick), setting.device)
    encoder = network.speech_encoder(setting.quick)
    alone = network.batch(
        network.heard([plan.mean] * (TOGETHER if setting.device.type == "cuda" else 1), setting.quick)
    )
    waves, mask = alone.speech.to(setting.device), alone.speech_mask.to(setting.device)

    def hear() -> None:
        with torch.no_grad():
            encoder(waves, mask)

    found: dict[str, Callable[[], Any]] = {LOOP: lambda: step(micro), CLIP: hear}
    if bf16_is_native(setting.device):
        half = network.trainer(network.network(setting.quick), setting.device, bf16=True)
        found[LOOP_BF16] = lambda: half(micro)
    return found


def _report(setting: Setting, found: dict[str, list[float]]) -> Report:
    on_gpu = setting.device.type == "cuda"
    store = ON_GPU if on_gpu else "fp16 store"
    shape = f"training step, {network.BATCH} crops: "
    rows = [compared(f"{shape}{LOOP} / {store}", found[LOOP], found[store])]
    if LOOP_BF16 in found:
        rows.append(compared(f"{shape}{LOOP_BF16} / {store}", found[LOOP_BF16], found[store]))
    others = [name for name in found if name.endswith(("store", "GPU")) and name != "fp16 store"]
    rows += [compared(f"{shape}{name} / fp16 store", found[name], found["fp16 store"]) for name in others]
    clip = [seconds / (TOGETHER if on_gpu else 1) for seconds in found[CLIP]]
    costs = Costs(
        *(statistics.median(each) for each in (found[LOOP], found[store], clip, found[EVALUATION])), network.BATCH
    )
    rows += [costs.row(views, validations) for validations in (0, VALIDATIONS) for views in (1, 4)]
    rows += [costs.row(views, VALIDATIONS, as_published=True) for views in (1, 4)]
    note = _formula(PLANS[setting.quick].mean, costs)
    whole = rows[-2]
    marks = [
        Mark(f"a step from the store at least {WANTED} x cheaper: {rows[0].median:.0f} x", rows[0].median >= WANTED),
        Mark(
            f"the recipe with its extraction at least {WHOLE_WANTED} x cheaper than as published: {whole.median:.0f} x",
            whole.median >= WHOLE_WANTED,
        ),
    ]
    return Report(rows, [note], marks)


@dataclass(frozen=True)
class Costs:
    """Seconds."""

    loop: float  # of a step
    store: float
    clip: float  # through the speech encoder
    batch: float  # evaluated from the store
    clips: int  # of it

    @property
    def evaluated(self) -> float:
        return self.batch / self.clips

    def row(self, views: int, validations: int, as_published: bool = False) -> Row:
        """The whole recipe in the loop over the same from the store.

        `as_published`: in the loop, the training crops are run through once more at each validation.
        """
        dev = network.DEV_CLIPS * validations
        again = validations * network.TRAIN_CLIPS * self.loop / network.BATCH if as_published else 0.0
        a = STEPS * self.loop + dev * self.clip + again
        heard = network.TRAIN_CLIPS * views + (network.DEV_CLIPS if validations else 0)
        b = heard * self.clip + STEPS * self.store + dev * self.evaluated
        work = f"{network.EPOCHS} epochs" + (f" and {validations} validations" if validations else "")
        way = "as published" if as_published else "in the loop"
        what = f"derived: {work} {way} / extraction of {views} view{'s' * (views > 1)} and the same from the store"
        return Row(what, [a / b], f"{a / 3600:.3g} h", f"{b / 3600:.3g} h")


def _formula(seconds: float, costs: Costs) -> str:
    """How `Costs.row` derives what nobody has the time to run."""
    train, dev = network.TRAIN_CLIPS, network.DEV_CLIPS
    steps = f"N = {network.EPOCHS} x ⌈{train} / {network.BATCH}⌉ = {STEPS} steps"
    return (
        f"epoch, `derived` is computed from the medians, not run: with {steps} and V validations of {dev} clips, the "
        f"loop takes N x its step + V x {dev} x {CLIP} ({seconds} s of sound in fp32: {period(costs.clip)}), the store "
        f"({train} x views + {dev} if V) x that clip + N x its step + V x {dev} x {period(costs.evaluated)}. "
        f"V = 0, or with the recipe's one each {network.VALIDATE_EVERY} steps, {VALIDATIONS}. As published, each also "
        f"runs the {train} training crops once more (V x {train} / {network.BATCH} x a step in the loop). "
        "Left out: texts, checkpoints, and in the loop the decoding of sound"
    )
