"""Tiny checkpoints in the formats of the real ones, and small corpora; all made here, nothing is downloaded."""

import os
import shutil
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# fake GPUs or a busy machine must not change what is tested
os.environ.setdefault("ACCELERATE_USE_CPU", "true")
# features of tests go where nobody finds them again
os.environ["EMOSPEECH_CACHE"] = tempfile.mkdtemp(prefix="emospeech_store_")

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from emospeech.runtime.interrupt import StopRequest

from .economy import laid_out_only, painted, settled  # noqa: F401 (fixtures of all tests)

SENTENCES = [
    "Hoy vamos al mercado a comprar fruta.",
    "¡No me lo puedo creer, hemos ganado!",
    "Qué asco, esto huele fatal.",
    "Tengo miedo de la oscuridad.",
    "Estoy muy triste desde que se marchó.",
    "¡Ya está bien, no aguanto más!",
]
LABELS = ["neutral", "joy", "disgust", "fear", "sadness", "anger"]


@pytest.fixture(scope="session", autouse=True)
def store_of_tests():
    yield
    shutil.rmtree(os.environ["EMOSPEECH_CACHE"], ignore_errors=True)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The real corpora, where they are at hand."""
    folder = Path(os.environ.get("EMOSPEECH_TEST_DATA", Path(__file__).parents[1] / "../shared/data"))
    if not folder.is_dir():
        pytest.skip(f"real data not found in {folder}; set EMOSPEECH_TEST_DATA")
    return folder


def wav2vec2_config(norm: str):
    from transformers import Wav2Vec2Config

    return Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8,) * 7,
        feat_extract_norm=norm,
        do_stable_layer_norm=norm == "layer",
        conv_bias=norm == "layer",
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )


def save_wav2vec2(folder: Path, norm: str) -> Path:
    import torch
    from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2Model

    torch.manual_seed(0)
    model = Wav2Vec2Model(wav2vec2_config(norm))
    for parameter in model.parameters():  # the default start is so small that every clip looks alike
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=norm == "layer").save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_xlsr(tmp_path_factory) -> Path:
    """XLS-R's architecture: wav2vec 2.0 with layer norm throughout."""
    return save_wav2vec2(tmp_path_factory.mktemp("tiny_xlsr"), "layer")


@pytest.fixture(scope="session")
def tiny_wav2vec2_base(tmp_path_factory) -> Path:
    """wav2vec2-base's architecture: group norm over time in the first convolution."""
    return save_wav2vec2(tmp_path_factory.mktemp("tiny_wav2vec2_base"), "group")


def unigram_tokenizer():
    import tokenizers
    from tokenizers import models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    raw = tokenizers.Tokenizer(models.Unigram())
    raw.pre_tokenizer = pre_tokenizers.Metaspace()
    raw.train_from_iterator(
        SENTENCES * 4, trainers.UnigramTrainer(vocab_size=120, special_tokens=special, unk_token="<unk>")
    )
    raw.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    )


def save_text_encoder(folder: Path, family: str) -> Path:
    import torch
    from transformers import AutoModel, RobertaConfig, XLMRobertaConfig

    tokenizer = unigram_tokenizer()
    make = {"xlm-roberta": XLMRobertaConfig, "roberta": RobertaConfig}[family]
    config = make(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=66,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        type_vocab_size=1,
    )
    torch.manual_seed(0)
    model = AutoModel.from_config(config)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_xlmr(tmp_path_factory) -> Path:
    return save_text_encoder(tmp_path_factory.mktemp("tiny_xlmr"), "xlm-roberta")


@pytest.fixture(scope="session")
def tiny_roberta(tmp_path_factory) -> Path:
    return save_text_encoder(tmp_path_factory.mktemp("tiny_roberta"), "roberta")


def tone(label: str, index: int, seconds: float = 0.6, rate: int = 16_000) -> np.ndarray:
    """A clip whose pitch tells its label, with a little noise; another one for each index."""
    rng = np.random.default_rng([LABELS.index(label), index])
    time = np.arange(int((seconds + 0.3 * rng.random()) * rate)) / rate
    pitch = 200 * 1.5 ** LABELS.index(label) * rng.uniform(0.97, 1.03)
    return 0.3 * np.sin(2 * np.pi * pitch * time) + 0.01 * rng.standard_normal(len(time))


def write_challenge(root: Path, train: int = 36, test: int = 12, audio: bool = True) -> Path:
    """A small EmoSPeech 2024 folder in the challenge's layout: sine tones and short sentences."""
    root.mkdir(parents=True, exist_ok=True)

    def rows(count: int, part: str) -> pd.DataFrame:
        labels = [LABELS[k % len(LABELS)] for k in range(count)]
        ids = [f"{part}{k:04d}.mp3" for k in range(count)]
        if audio:
            folder = root / f"{part}_segments"
            folder.mkdir(exist_ok=True)
            for k, (id, label) in enumerate(zip(ids, labels, strict=True)):
                soundfile.write(folder / id, tone(label, k + 1000 * (part == "test")), 16_000)
        texts = [SENTENCES[LABELS.index(label)] for label in labels]
        return pd.DataFrame({"id": ids, "label": labels, "transcription": texts})

    rows(train, "train").to_csv(root / "EmoSPeech_phase_2_train.csv", index=False)
    held_out = rows(test, "test")
    held_out.drop(columns="label").to_csv(root / "EmoSPeech_phase_2_test_public.csv", index=False)
    held_out[["id", "label"]].to_csv(root / "test_gold.csv", index=False)
    return root


@pytest.fixture(scope="session")
def challenge(tmp_path_factory) -> Path:
    """A small challenge folder, to be read only."""
    return write_challenge(tmp_path_factory.mktemp("challenge"))


@pytest.fixture
def make_challenge():
    """`write_challenge`, for tests that change the folder."""
    return write_challenge


@pytest.fixture
def make_tone():
    return tone


@pytest.fixture(scope="session")
def spanish_sentences() -> list[str]:
    return SENTENCES


LANGUAGES = ["en", "es", "de", "pt"]  # of a tiny checkpoint in the format of transformers


def set_free(model):
    """Random weights large enough that every clip gives other tokens."""
    import torch

    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        heard = 8 if "cross_attn" in name or "encoder_attn" in name else 1
        torch.nn.init.normal_(parameter, std=heard * parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.3)
    return model.eval()


def save_whisper_pt(path: Path, vocabulary: int = 51865, positions: int = 24) -> Path:
    """A tiny Whisper as openai-whisper saves it; 51864 tokens make it English alone."""
    from dataclasses import asdict

    import torch
    from whisper.model import ModelDimensions, Whisper

    dims = ModelDimensions(80, 1500, 16, 2, 1, vocabulary, positions, 16, 2, 1)
    model = set_free(Whisper(dims))
    torch.save({"dims": asdict(dims), "model_state_dict": model.state_dict()}, path)
    return path


def save_whisper_folder(folder: Path, multilingual: bool = True, positions: int = 24) -> Path:
    """A tiny Whisper as transformers saves it, with a vocabulary of bytes."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperTokenizer,
    )

    letters = {letter: k for k, letter in enumerate(sorted(ByteLevel.alphabet()))}
    words = ["endoftext", "startoftranscript", *LANGUAGES, "translate", "transcribe", "startoflm", "startofprev",
             "nospeech", "notimestamps", *(f"{0.02 * k:.2f}" for k in range(1501))]  # fmt: skip
    tokenizer = WhisperTokenizer(vocab=letters | {"<|endoftext|>": 256}, merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": [f"<|{word}|>" for word in words[1:]]})
    config = WhisperConfig(
        d_model=16, encoder_layers=1, encoder_attention_heads=2, encoder_ffn_dim=32, num_mel_bins=80,
        decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=32, vocab_size=256 + len(words),
        max_target_positions=positions, pad_token_id=256, bos_token_id=256, eos_token_id=256,
        decoder_start_token_id=257,
    )  # fmt: skip
    model = set_free(WhisperForConditionalGeneration(config))
    model.generation_config = GenerationConfig(
        eos_token_id=256, pad_token_id=256, decoder_start_token_id=257, is_multilingual=multilingual
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def whisper_pt(tmp_path_factory) -> Path:
    return save_whisper_pt(tmp_path_factory.mktemp("whisper") / "tiny.pt")


@pytest.fixture(scope="session")
def whisper_folder(tmp_path_factory) -> Path:
    return save_whisper_folder(tmp_path_factory.mktemp("whisper") / "tiny-hub")


@pytest.fixture(scope="session")
def whisper_english(tmp_path_factory) -> tuple[Path, Path]:
    """English alone, in both formats."""
    folder = tmp_path_factory.mktemp("whisper")
    return save_whisper_pt(folder / "tiny.en.pt", 51864), save_whisper_folder(
        folder / "tiny-hub.en", multilingual=False
    )


class StopAfter(StopRequest):
    """A request to stop that comes after so many steps."""

    def __init__(self, steps):
        self.left = steps

    def __int__(self):
        self.left -= 1
        return 15 if self.left < 0 else 0


@pytest.fixture
def run_in_pieces(monkeypatch):
    """Run a recipe to its end, though each of its attempts but the last is stopped after so many steps."""
    from contextlib import contextmanager

    from emospeech.experiments import run as experiments
    from emospeech.runtime.errors import Interrupted
    from emospeech.systems.fitting import fit

    def run(recipe, *steps):
        stops = list(steps)

        @contextmanager
        def stop_on_signal():
            yield StopAfter(stops[0] if stops else 1000)

        monkeypatch.setattr(fit, "stop_on_signal", stop_on_signal)
        for attempt in range(20):
            try:
                experiments.run(recipe, resume=attempt > 0)
                break
            except Interrupted:
                stops[:1] = []
        assert attempt == len(steps), f"it was to be stopped {len(steps)} times"

    return run
