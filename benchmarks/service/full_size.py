"""A run of the main recipe at full size: random weights, trained for a few steps by the program itself."""

import os
import subprocess
import sys
from pathlib import Path

from network import TINY_XLMR, TINY_XLSR, XLMR, XLSR

from emospeech.corpora import demo
from service.process import ROOT

CLIPS = {"train": 12, "dev": 7, "test": 7}
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
VOCABULARY = 280  # of a tokenizer that knows the corpus's letters; the embedding has as many rows as XLM-R's


def run_folder(folder: Path, tiny: bool) -> Path:
    """The run, made in `folder` with all that it needs: 4 GB at full size.

    Args:
        tiny: encoders of the same make and no size, to try it out.
    """
    demo.make(folder / "corpus", CLIPS)
    save_speech(folder / "xlsr", tiny)
    save_text(folder / "xlmr", tiny)
    words = [
        "configs/xlsr_roberta.yaml", "name=full_size", f"runs_dir={folder / 'runs'}", "data.corpus=demo",
        f"data.root={folder / 'corpus'}", f"speech.encoder={folder / 'xlsr'}", f"text.encoder={folder / 'xlmr'}",
        "speech.augment=null", "train.epochs=1", "train.batch_size=4",
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "emospeech", "train", *words],
        cwd=ROOT,
        env={**os.environ, "EMOSPEECH_CACHE": str(folder / "cache"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"the run of full size could not be made:\n{done.stdout}{done.stderr}")
    return folder / "runs" / "full_size"


def save_speech(folder: Path, tiny: bool) -> None:
    """XLS-R-300M's architecture."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    torch.manual_seed(0)
    Wav2Vec2Model(Wav2Vec2Config(**(TINY_XLSR if tiny else XLSR))).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True).save_pretrained(folder)


def save_text(folder: Path, tiny: bool) -> None:
    """XLM-R-large's, with a tokenizer of the demo corpus's sentences."""
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaModel

    torch.manual_seed(0)
    XLMRobertaModel(XLMRobertaConfig(**(TINY_XLMR if tiny else XLMR))).save_pretrained(folder)
    tokenizer().save_pretrained(folder)


def tokenizer():
    """Of subwords, with XLM-R's special tokens at its ids."""
    import tokenizers
    from tokenizers import models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    raw = tokenizers.Tokenizer(models.Unigram())
    raw.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=VOCABULARY, special_tokens=list(SPECIAL), unk_token="<unk>")
    raw.train_from_iterator([clip.transcription for clip in demo.plan(demo.CLIPS)], trainer)
    raw.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    roles = ("bos", "pad", "eos", "unk", "mask")
    names = {f"{role}_token": token for role, token in zip(roles, SPECIAL, strict=True)}
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, cls_token="<s>", sep_token="</s>", model_max_length=512, **names
    )
