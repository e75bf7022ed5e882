"""How much of a GPU's own speed is reached: the encoder against a matrix product, the store's step against a copy."""

import statistics
from collections.abc import Callable

import network
import stores
import torch
from measuring import Report, Row, Setting, Work, alternating
from torch.utils.flop_counter import FlopCounterMode

from emospeech.encoders.store.packed import pack
from emospeech.models.classifier import EmotionNetwork

SIDE = {False: 8192, True: 512}  # of the square matrices
COPIED = {False: 4 << 30, True: 1 << 24}  # bytes
CLIPS = {False: 26, True: 2}  # 240 s of sound
STEPS = 20
ROUNDS = 3


def run(setting: Setting) -> Report:
    if setting.device.type != "cuda":
        return Report([], ["gpu: skipped, there is none"])
    encoder, flops = _encoder(setting)
    step, size = _store_step(setting)
    side = SIDE[setting.quick]
    left, right = (torch.randn(side, side, device=setting.device, dtype=torch.bfloat16) for _ in range(2))
    source = torch.empty(COPIED[setting.quick], dtype=torch.uint8, device=setting.device)
    target = torch.empty_like(source)
    works = {
        "encoder": Work(encoder, 3, 1),
        "matmul": Work(lambda: left @ right, STEPS, 3),
        "store": Work(step, STEPS, 3),
        "copy": Work(lambda: target.copy_(source), STEPS, 3),
    }
    found = alternating(works, ROUNDS, setting.device, setting.say)
    work = {"encoder": flops, "matmul": 2 * side**3, "store": size, "copy": 2 * source.nbytes}
    rates = {name: [work[name] / seconds for seconds in each] for name, each in found.items()}

    def row(what: str, a: str, b: str, unit: str, scale: float) -> Row:
        told = (f"{statistics.median(rates[name]) / scale:.3g} {unit}" for name in (a, b))
        return Row(what, [x / y for x, y in zip(rates[a], rates[b], strict=True)], *told)

    rows = [
        row("GPU: encoder forward in bf16 / a large bf16 matrix product", "encoder", "matmul", "TFLOP/s", 1e12),
        row("GPU: step from fp16 states that it holds / a copy on the device", "store", "copy", "GB/s", 1e9),
    ]
    note = (
        f"gpu: {flops / 1e12:.3g} TFLOP a forward by torch's counter (matrix products, convolutions, attention); a "
        f"step counts the {size / 1e9:.3g} GB of states that it reads forward and backward, a copy both its directions"
    )
    return Report(rows, [note])


def _encoder(setting: Setting) -> tuple[Callable[[], None], int]:
    """A forward of the speech encoder, and its floating-point operations."""
    encoder = network.speech_encoder(setting.quick).to(setting.device)
    seconds = [0.8 if setting.quick else network.MEAN_SECONDS] * CLIPS[setting.quick]
    given = network.batch(network.heard(seconds, setting.quick)).to(setting.device)

    @torch.no_grad()
    def forward() -> None:
        with torch.autocast(setting.device.type, torch.bfloat16):
            encoder(given.speech, given.speech_mask)

    with FlopCounterMode(display=False) as counter:
        forward()
    return forward, counter.get_total_flops()


def _store_step(setting: Setting) -> tuple[Callable[[], float], int]:
    """A training step on states that lie on the GPU, and the bytes of states that it must read at least."""
    encoder, text = network.speech_encoder(setting.quick), network.text_encoder(setting.quick)
    seconds, crop = (0.8, 0.5) if setting.quick else (network.MEAN_SECONDS, network.CROP_SECONDS)
    frames, drawn = (encoder.frames(round(s * network.SAMPLE_RATE)) for s in (seconds, crop))
    speech = [
        (pack(torch.randn(encoder.depth, frames, encoder.width, device=setting.device)),)
        for _ in range(4 * network.BATCH)
    ]
    words = [pack(torch.randn(1, 30, text.width, device=setting.device)) for _ in speech]
    source = stores.endless(stores.dataset(speech, words, stores.crops(drawn)), len(speech))
    shape = (encoder.depth, encoder.width), text.width
    step = network.trainer(EmotionNetwork(network.classifier(*shape)), setting.device)
    size = 2 * 2 * network.BATCH * encoder.depth * drawn * encoder.width
    return stores.step_over(step, source), size
