"""Does it cost macro-F1 to store frozen states once, instead of running the encoder on fresh crops in every epoch?

    OMP_NUM_THREADS=1 python benchmarks/fresh_crops.py DATA [--voices new] [--work runs/fresh_crops] [--seeds 0 1 2 3 4]

DATA is a folder of recordings with a metadata.csv (file_name, label, speaker). A small wav2vec 2.0 model is trained on
the training speakers, then frozen, and a head on it is trained by the project's own commands, once in every setting
under every seed. With `--voices known` every speaker is in every part, and encoder and head train on different clips.
What is finished in the work folder is read, not done again.
"""

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import t as student
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

from emospeech.config import Recipe, recipes_folder
from emospeech.data import audio
from emospeech.data.examples.augment import EFFECTS, Augmenter, One
from emospeech.data.splits import stratified
from emospeech.experiments import extract, rows
from emospeech.experiments import run as experiment
from emospeech.metrics.scores import score
from emospeech.runtime.files import write_text
from emospeech.systems.build import load_recipe

FRESH = "fresh"
SETTINGS: Mapping[str, Sequence[str]] = {  # name -> the overrides that make it
    FRESH: ["cache=null"],
    "stored, 4 views": ["cache.views=4"],
    "stored, 2 views": ["cache.views=2"],
    "stored, 1 view: no augmentation": ["cache.views=1"],
    "stored, 4 views, int8": ["cache.views=4", "cache.dtype=int8"],
    "stored, 4 views, mixed": ["cache.views=4", "cache.mode=mixed"],
}
CROP_SECONDS = 2.5
# Two training speakers of the recipe steer in place of its s10 and s11, whom hardly anything recognises: an SVM on
# functionals of s00 to s09 gets 0.26 of their clips right, and 0.37 of those of a speaker left out of these ten.
NEW_VOICES = ["data.split.dev_speakers=[s08,s09]"]
KNOWN_VOICES = ["data.split.dev_speakers=[]", "data.split.test_speakers=[]"]
SHARES = {"test": 0.2, "dev": 0.15, "train": 0.3}  # of the clips, where voices are known; the encoder has the others
HEAD = [  # of every setting
    "speech.options=null",
    "speech.layers=weighted",
    f"speech.crop_seconds={CROP_SECONDS}",
    "speech.augment.probability=0.6",
    "train.early_stopping=null",
    "train.eval_batch_size=16",
    "train.trackers=[]",
]

# ---------------------------------------------------------------------------------------------------- the small encoder

KERNELS, STRIDES = (400, 3), (160, 2)  # samples, then frames of 10 ms: 50 states a second, as every wav2vec 2.0
BANDS, PHASES, LEVELS = 23, 4, (1.0, -1.0, 0.3, -0.3)
BATCH, RATE = 16, 1.5e-3
# other voices than the recipe's own augmentation makes: ten speakers are soon known by heart
SPEED = EFFECTS["speed"](factors=(0.8, 0.87, 0.94, 1.06, 1.15, 1.25))
VOICES = Augmenter([SPEED, SPEED, EFFECTS["noise"]()], One(0.9))


def small_config() -> Wav2Vec2Config:
    """Four layers of 64; almost no dropout, which on a CPU takes longer than the layers themselves."""
    return Wav2Vec2Config(
        hidden_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=128,
        conv_dim=(BANDS * PHASES + len(LEVELS), 64),
        conv_kernel=KERNELS,
        conv_stride=STRIDES,
        num_feat_extract_layers=len(KERNELS),
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        conv_bias=True,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        attention_dropout=0.0,
        activation_dropout=0.0,
        hidden_dropout=0.0,
        feat_proj_dropout=0.2,
        layerdrop=0.0,
        apply_spec_augment=False,
        initializer_range=0.1,
        vocab_size=8,
    )


def gabor(waveforms: Sequence[np.ndarray]) -> Tensor:
    """Filters (BANDS * PHASES, 400): mel-spaced bands, each in four phases, as loud as each other on these waveforms.

    With the rectification behind them they are a rough spectrogram from the first step on, which a thousand clips
    would not teach.
    """
    mels = np.linspace(2595 * math.log10(1 + 80 / 700), 2595 * math.log10(1 + 7000 / 700), BANDS)
    hertz = 700 * (10 ** (mels / 2595) - 1)
    time = np.arange(KERNELS[0]) / audio.SAMPLE_RATE
    turns = 2 * np.pi * hertz[:, None, None] * time + (np.arange(PHASES) * np.pi / 2)[:, None]
    filters = torch.tensor(np.cos(turns) * np.hanning(KERNELS[0]), dtype=torch.float32).flatten(0, 1)
    sound = torch.tensor(np.concatenate(waveforms))[None, None]
    loudness = nn.functional.conv1d(sound, filters[:, None], stride=KERNELS[0]).pow(2).mean(dim=(0, 2)).sqrt()
    return filters / loudness[:, None]


def small_model(waveforms: Sequence[np.ndarray]) -> Wav2Vec2Model:
    torch.manual_seed(0)
    model = Wav2Vec2Model(small_config())
    first = model.feature_extractor.conv_layers[0].conv
    with torch.no_grad():
        first.weight.zero_()
        first.bias.zero_()
        first.weight[: BANDS * PHASES, 0] = gabor(waveforms)
        first.bias[BANDS * PHASES :] = torch.tensor(LEVELS)  # the LayerNorm behind it would hide how loud a frame is
    first.requires_grad_(False)
    return model


def make_encoder(recipe: Recipe, folder: Path, epochs: int) -> dict[str, Any]:
    """Train on the recipe's training clips; what became of it, also kept in the folder, whole once that is there."""
    about = folder / "training.json"
    if about.exists():
        return json.loads(about.read_text(encoding="utf-8"))
    start, found = time.perf_counter(), rows.load(recipe)
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)
    train, dev = ([audio.load(path) for path in part["audio"]] for part in (found.train, found.dev))
    model = small_model([prepared(extractor, clip) for clip in train[:100]])
    linear = nn.Linear(model.config.hidden_size, len(found.labels))
    targets = torch.tensor([found.labels.index(label) for label in found.train["label"]])
    fit(model, linear, train, targets, extractor, epochs)
    accuracy = {}
    for name, clips, part in (("train", train, found.train), ("dev", dev, found.dev)):
        chosen = [found.labels[k] for k in predicted(model, linear, clips, extractor)]
        accuracy[name] = vars(score(part["label"].tolist(), chosen, found.labels))
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    told = {
        "seconds": round(time.perf_counter() - start),
        "parameters": sum(p.numel() for p in model.parameters()),
        **{f"{name}_{key}": of[key] for name, of in accuracy.items() for key in ("accuracy", "macro_f1")},
    }
    about.write_text(json.dumps(told, indent=2), encoding="utf-8")
    return told


def prepared(extractor: Any, waveform: np.ndarray) -> np.ndarray:
    return extractor(waveform, sampling_rate=audio.SAMPLE_RATE)["input_values"][0]


def fit(
    model: Any, linear: nn.Module, clips: Sequence[np.ndarray], targets: Tensor, extractor: Any, epochs: int
) -> None:
    """Mean-pooled states, a linear layer, cross-entropy; crops and augmentations drawn anew in every epoch."""
    rng = np.random.default_rng(0)
    samples = round(CROP_SECONDS * audio.SAMPLE_RATE)
    parameters = [p for p in [*model.parameters(), *linear.parameters()] if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.05)
    steps = -(-len(clips) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, epochs * steps, pct_start=0.2)
    for epoch in range(epochs):
        model.train()
        losses = []
        for picked in np.array_split(rng.permutation(len(clips)), steps):
            heard = np.stack([prepared(extractor, VOICES(clips[row], samples, rng)) for row in picked])
            states = model(torch.from_numpy(heard)).last_hidden_state  # (B, frames, width)
            loss = nn.functional.cross_entropy(linear(states.mean(dim=1)), targets[picked], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        print(f"encoder: epoch {epoch + 1} of {epochs}, loss {statistics.fmean(losses):.3f}", file=sys.stderr)


@torch.no_grad()
def predicted(model: Any, linear: nn.Module, clips: Sequence[np.ndarray], extractor: Any) -> list[int]:
    """Of whole clips, one by one."""
    model.eval()
    states = [model(torch.from_numpy(prepared(extractor, clip))[None]).last_hidden_state[0] for clip in clips]
    return [int(linear(one.mean(dim=0)).argmax()) for one in states]


# ------------------------------------------------------------------------------------------------------------- the runs


def splits_of(data: Path, work: Path, voices: str) -> dict[str, list[str]]:
    """Overrides that say who trains, steers and tests: for the `encoder`, and for the `head`."""
    if voices == "new":
        return {"encoder": NEW_VOICES, "head": NEW_VOICES}
    clips = pd.read_csv(data / "metadata.csv")
    left = clips["label"] + " " + clips["speaker"]  # shares of every emotion of every speaker
    part = pd.Series("encoder", index=clips.index)
    for seed, (name, share) in enumerate(SHARES.items()):
        picked = stratified(left.tolist(), share * len(clips) / len(left), seed)
        part[left.index[picked]] = name
        left = left[~picked]
    words = {}
    for who, other in (("encoder", "train"), ("head", "encoder")):
        of = part[part != other].replace({"encoder": "train"})
        rows_of = pd.DataFrame({"id": clips["file_name"][of.index], "split": of})
        write_text(work / f"{who}.csv", rows_of.to_csv(index=False))
        words[who] = [*KNOWN_VOICES, f"data.split.file={work / f'{who}.csv'}"]
    return words


def recipe_of(data: Path, work: Path, shared: Sequence[str], setting: str, seed: int) -> Recipe:
    words = [
        f"name={''.join(c if c.isalnum() else '_' for c in setting)}-{seed}",
        f"runs_dir={work / 'runs'}",
        f"data.root={data}",
        f"train.seed={seed}",
    ]
    if setting != FRESH:
        words.append(f"cache.folder={work / 'store'}")
    encoder = [f"speech.encoder={work / 'encoder'}"]
    return load_recipe(
        recipes_folder() / "audio_only_scratch.yaml", [*words, *encoder, *HEAD, *shared, *SETTINGS[setting]]
    )


def timed(file: Path, work: Callable[[], Any]) -> float:
    """Seconds that it took, now or when it was done."""
    if file.exists():
        return float(file.read_text(encoding="utf-8"))
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(str(seconds), encoding="utf-8")
    return seconds


def done(data: Path, work: Path, words: Sequence[str], setting: str, seed: int) -> dict[str, Any]:
    """One run, and the extraction before it where its states are to be stored."""
    recipe, times = recipe_of(data, work, words, setting, seed), work / "seconds"
    extraction = 0.0
    if recipe.cache is not None:
        extraction = timed(times / f"{recipe.name.rpartition('-')[0]}.extract", lambda: extract.run(recipe))
    folder = Path(recipe.runs_dir) / recipe.name
    seconds = timed(times / recipe.name, lambda: experiment.run(recipe, resume=(folder / "config.yaml").exists()))
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    epochs = len((folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    f1 = {part: scores[part]["macro_f1"] for part in ("dev", "test")}
    return {"setting": setting, "seed": seed, **f1, "seconds": seconds, "extraction": extraction, "epochs": epochs}


def lines(found: pd.DataFrame) -> Iterator[str]:
    """The table: each setting over its seeds, and its differences to fresh crops, seed by seed."""
    yield "| setting | dev | test | dev - fresh | test - fresh | epochs a run | s a run | s an epoch | extraction s |"
    yield "|---" * 9 + "|"
    fresh = found[found["setting"] == FRESH].set_index("seed")
    for setting, of in found.groupby("setting", sort=False):
        of = of.set_index("seed")
        cells = [f"{of[part].mean():.3f} ± {of[part].std():.3f}" for part in ("dev", "test")]
        cells += ["" if setting == FRESH else paired(of[part] - fresh[part]) for part in ("dev", "test")]
        epoch = of["seconds"].sum() / of["epochs"].sum()
        cells += [f"{of['epochs'].mean():.0f}", f"{of['seconds'].mean():.0f}", f"{epoch:.1f}"]
        yield f"| {setting} | {' | '.join(cells)} | {of['extraction'].iloc[0]:.0f} |"


def paired(differences: Sequence[float]) -> str:
    """Mean and 95 % interval (Student's t) of differences under the same seeds.

    >>> paired([0.01, 0.02, 0.03])
    '+0.020 (-0.005 to +0.045)'
    """
    mean = statistics.fmean(differences)
    if len(differences) < 2:
        return f"{mean:+.3f}"
    reach = student.ppf(0.975, len(differences) - 1) * statistics.stdev(differences) / math.sqrt(len(differences))
    return f"{mean:+.3f} ({mean - reach:+.3f} to {mean + reach:+.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--voices", choices=["new", "known"], default="new", help="of dev and test, to the encoder")
    parser.add_argument("--work", type=Path, help="encoder, store, runs and times; runs/fresh_crops_<voices>")
    parser.add_argument("--encoder-epochs", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=8, help="of the head")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    arguments = parser.parse_args()
    data = arguments.data.resolve()
    work = (arguments.work or Path("runs") / f"fresh_crops_{arguments.voices}").resolve()
    split = splits_of(data, work, arguments.voices)
    head = [*split["head"], f"train.epochs={arguments.epochs}"]
    scratch = load_recipe(
        recipes_folder() / "audio_only_scratch.yaml", [f"data.root={data}", *split["encoder"]]
    )  # for its rows alone
    print("encoder:", json.dumps(make_encoder(scratch, work / "encoder", arguments.encoder_epochs)), flush=True)
    found = [done(data, work, head, setting, seed) for seed in arguments.seeds for setting in SETTINGS]
    print("\n".join(["", f"macro-F1 over seeds {arguments.seeds}: mean ± sd", "", *lines(pd.DataFrame(found))]))


if __name__ == "__main__":
    main()
