"""Two processes of one thread against one process of one thread, on a recipe whose encoders run in every step.

    python benchmarks/processes.py [--rounds 7] [--steps 4] [--batch 16] [--quick]

Both train the same recipe, `cache: null`, with the same global batch, as `emospeech train` and torchrun do it: a small
wav2vec 2.0 and a small RoBERTa with random weights, frozen, from checkpoint folders in the real format, on clips of
noise. They take turns of so many steps, the other one asleep, so that whatever else the machine does meets both. Time
is that of whole steps: decoding, encoders, head, gradients over gloo. `--quick` takes tiny encoders, to see that it
works and nothing else.
"""

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

import numpy as np
from measuring import hardware

MARK = 1.6  # two processes over one, in utterances a second, on two idle cores
CLIPS, SECONDS = 64, 3.0
LABELS = ("joy", "anger", "sadness", "fear")
WORDS = ("hoy", "vamos", "al", "mercado", "a", "comprar", "fruta", "no", "me", "lo", "puedo", "creer", "tengo", "miedo")
SIZES = {False: (256, 6), True: (16, 2)}  # quick -> width, layers
RECIPE = """
name: {name}
runs_dir: {folder}/runs
data: {{corpus: audiofolder, root: {folder}/corpus}}
speech: {{encoder: {folder}/speech, layers: weighted, crop_seconds: {seconds}}}
text: {{encoder: {folder}/text}}
cache: null
train: {{epochs: 100000, batch_size: {batch}, trackers: [], validate_every: 1000000}}
"""


# ------------------------------------------------------------------------------------------------- what is trained


def make(folder: Path, quick: bool) -> None:
    """Corpus and checkpoints."""
    import torch
    from tiny_encoders import LARGE_NORMS, save
    from transformers import RobertaConfig, RobertaModel, Wav2Vec2Config, Wav2Vec2Model

    _corpus(folder / "corpus")
    torch.manual_seed(0)
    width, layers = SIZES[quick]
    size = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": 4, "intermediate_size": 4 * width}
    sound = {"conv_dim": (width,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}
    save(folder / "speech", Wav2Vec2Model(Wav2Vec2Config(**size, **sound, **LARGE_NORMS)), masks=True)
    tokenizer = _tokenizer()
    ids = {"vocab_size": len(tokenizer), "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
    RobertaModel(RobertaConfig(**size, **ids, max_position_embeddings=130)).save_pretrained(folder / "text")
    tokenizer.save_pretrained(folder / "text")


def _corpus(folder: Path) -> None:
    import soundfile

    folder.mkdir()
    rng = np.random.default_rng(0)
    lines = ["file_name,label,transcription"]
    for k in range(CLIPS):
        soundfile.write(folder / f"{k}.wav", 0.1 * rng.standard_normal(int(SECONDS * 16_000)), 16_000)
        lines.append(f"{k}.wav,{LABELS[k % len(LABELS)]},{' '.join(rng.choice(WORDS, 12))}")
    (folder / "metadata.csv").write_text("\n".join(lines), encoding="utf-8")


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    vocabulary = {word: k for k, word in enumerate([*special, *dict.fromkeys(WORDS)])}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    raw.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )


# ------------------------------------------------------------------------------------------------- those that train


def train(recipe: str, address: str, steps: int) -> None:
    """One process of a training; the main one takes its turns from the program that measures."""
    from emospeech.cli.main import main
    from emospeech.runtime import distributed
    from emospeech.runtime.interrupt import StopRequest
    from emospeech.systems.fitting import fit

    line = Client(address, authkey=bytes.fromhex(os.environ["TURNS"])) if distributed.is_main() else None

    class Turns(StopRequest):
        """Asked after each step whether to stop, it waits until its turn begins, and tells the seconds of the last."""

        done, began = 0, 0.0

        def __bool__(self) -> bool:
            if line is not None and self.done % steps == 0:
                line.send(time.perf_counter() - self.began)
                try:
                    line.recv()
                except EOFError:  # nobody measures any more
                    os._exit(0)
                self.began = time.perf_counter()
            self.done += 1
            return False

        def __int__(self) -> int:
            return int(bool(self))

    @contextmanager
    def turns() -> Iterator[StopRequest]:
        yield Turns()

    fit.stop_on_signal = turns
    main(["train", recipe])


@dataclass(frozen=True)
class Training:
    """One that is under way, asleep until its turn."""

    processes: int
    line: Connection

    def turn(self) -> float:
        """Seconds of its next steps."""
        self.line.send("go")
        seconds: float = self.line.recv()
        return seconds


@contextmanager
def started(folder: Path, processes: int, asked: argparse.Namespace) -> Iterator[Training]:
    name, key = f"of{processes}", secrets.token_bytes(16)
    recipe = folder / f"{name}.yaml"
    text = RECIPE.format(name=name, folder=folder, seconds=SECONDS, batch=asked.batch)
    recipe.write_text(text, encoding="utf-8")
    launcher = [sys.executable]
    if processes > 1:
        launcher += ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    settings = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "ACCELERATE_USE_CPU": "true", "TURNS": key.hex()}
    with Listener(str(folder / f"{name}.socket"), authkey=key) as listener:
        command = [*launcher, __file__, "--train", str(recipe), listener.address, "--steps", str(asked.steps)]
        log = (folder / f"{name}.log").open("w")
        group = subprocess.Popen(command, env={**os.environ, **settings}, stdout=log, stderr=log)
        try:
            listener._listener._socket.settimeout(1.0)  # type: ignore[attr-defined]
            line = _accepted(listener, group, folder / f"{name}.log")
            line.recv()  # after its first step, which warms up
            yield Training(processes, line)
            line.close()
            group.wait(30)
        finally:
            group.kill()


def _accepted(listener: Listener, group: subprocess.Popen[bytes], log: Path) -> Connection:
    while True:
        try:
            return listener.accept()
        except TimeoutError:
            if group.poll() is not None:
                sys.exit(f"a training ended before it began:\n{log.read_text(encoding='utf-8')}")


# ------------------------------------------------------------------------------------------------------- measuring


def measured(asked: argparse.Namespace) -> dict[int, list[float]]:
    """Processes -> utterances a second, turn by turn."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        make(folder, asked.quick)
        trainings = [stack.enter_context(started(folder, count, asked)) for count in (1, 2)]
        rates: dict[int, list[float]] = {one.processes: [] for one in trainings}
        for number in range(asked.rounds + 1):
            for one in trainings:
                rate = asked.steps * asked.batch / one.turn()
                if number:  # the first turn warms up
                    rates[one.processes].append(rate)
            told = ", ".join(f"{count}: {found[-1]:.3g}" for count, found in rates.items() if found)
            print(f"  round {number} of {asked.rounds}: {told or 'warming up'}", file=sys.stderr, flush=True)
    return rates


def table(rates: dict[int, Sequence[float]], asked: argparse.Namespace) -> Iterator[str]:
    ratios = [two / one for one, two in zip(rates[1], rates[2], strict=True)]
    ratio = statistics.median(ratios)
    width, layers = SIZES[asked.quick]
    yield from hardware()
    yield f"encoders of {layers} layers of {width}, random weights, frozen; {asked.batch} x {SECONDS:g} s a step; fp32"
    yield ""
    yield "| processes of one thread | utterances a second | lowest – highest |"
    yield "|---|---|---|"
    for count, found in rates.items():
        yield f"| {count} | {statistics.median(found):.3g} | {min(found):.3g} – {max(found):.3g} |"
    yield ""
    yield f"two over one, median of {len(ratios)} rounds: {ratio:.2f} ({min(ratios):.2f} – {max(ratios):.2f})"
    yield f"{'met' if ratio >= MARK else 'NOT met'}: at least {MARK} times as fast on two idle cores"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=4, help="of a turn")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--quick", action="store_true", help="tiny encoders: does it work?")
    parser.add_argument("--json", type=Path, help="also write the rates to this file")
    parser.add_argument("--train", nargs=2, help=argparse.SUPPRESS)  # recipe, where turns come from
    asked = parser.parse_args()
    if asked.train:
        train(*asked.train, asked.steps)
        return
    import torch

    torch.set_num_threads(1)
    rates = measured(asked)
    print("\n".join(table(rates, asked)))
    if asked.json:
        asked.json.write_text(json.dumps(rates), encoding="utf-8")


if __name__ == "__main__":
    main()
