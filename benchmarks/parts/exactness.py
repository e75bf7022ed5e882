"""What each way of storing states does to the logits, against the encoders in the loop."""

import network
import stores
import torch
from measuring import Report, Row, Setting

from emospeech.encoders.store.extraction import Memory, Packing, extract
from emospeech.encoders.store.packed import DTYPES, Packed, pack
from emospeech.encoders.store.reader import Item, Reader
from emospeech.models.classifier import EmotionNetwork

CLIPS = 12
MEAN_SECONDS = {False: 5.5, True: 0.8}
KINDS = {f"{dtype}": (dtype, 1) for dtype in DTYPES} | {"fp16, frame_stride 2": ("fp16", 2)}


@torch.no_grad()
def run(setting: Setting) -> Report:
    seconds = network.lengths(CLIPS, MEAN_SECONDS[setting.quick]).tolist()
    examples = network.heard(seconds, setting.quick)
    net = network.network(setting.quick).to(setting.device).eval()
    truth = torch.cat([net(network.batch([one]).to(setting.device))[network.TASK] for one in examples]).cpu()
    speech = _extracted(
        net.speech, [(torch.as_tensor(e.speech), s) for e, s in zip(examples, seconds, strict=True)], setting
    )
    text = _extracted(_one_layer(net.text), [(torch.as_tensor(e.tokens), len(e.tokens)) for e in examples], setting)
    trained = EmotionNetwork(net.classifier)
    deviation = float(truth.std(dim=0).mean())
    rows, equal = [], []
    for name, (dtype, stride) in KINDS.items():
        kept = [(pack(one.states(), dtype, stride),) for one in speech]
        words = [pack(one.states(), dtype) for one in text]
        of = stores.dataset(kept, words, stores.crops(None), labelled=False)
        logits = torch.cat(
            [trained(batch.to(setting.device))[network.TASK] for batch in stores.epoch(of, CLIPS, size=1)]
        )
        order = torch.cat([batch.rows for batch in stores.epoch(of, CLIPS, size=1)])
        own = logits.cpu()[order.argsort()]
        off = float((own - truth).abs().max())
        rows.append(
            Row(
                f"exactness: largest logit error, {name} / deviation",
                [off / deviation],
                f"{off:.2g}",
                f"{deviation:.2g}",
            )
        )
        equal.append(f"{name} {int((own.argmax(1) == truth.argmax(1)).sum())} of {CLIPS}")
    note = (
        "exactness, random weights of encoders and head: largest difference from the logits with the encoders in the "
        f"loop, over the deviation of a class's logit among {CLIPS} clips; equal argmax: {'; '.join(equal)}. "
        "frame_stride 2 is another input, means of frames and half as many beside the same tokens: a head must be "
        "trained on it, and this one was not"
    )
    return Report(rows, [note])


def _extracted(encode: object, inputs: list[tuple[torch.Tensor, float]], setting: Setting) -> list[Packed]:
    """In float32, one utterance at a time."""
    items = [Item(stores.key(row), length, lambda own=own: own) for row, (own, length) in enumerate(inputs)]
    into = Memory(setting.device)
    reader = Reader(encode, setting.device)  # type: ignore[arg-type]
    extract(items, reader, into, Packing("fp32"), lambda item: 1, lambda advance=1: None)
    return [into.entries[stores.key(row)] for row in range(len(items))]


def _one_layer(encoder: torch.nn.Module) -> object:
    def read(inputs: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        states, valid = encoder(inputs, mask)
        return states[:, None], valid

    return read
