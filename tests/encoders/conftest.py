"""Tiny checkpoints of every family of encoders, in the formats that transformers and sentence-transformers save."""

from pathlib import Path

import pytest
import torch

# -- speech

SIZE = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
GROUP = {"conv_dim": (8,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
LAYER = {**GROUP, "feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}


def wav2vec2_extractor(normalise: bool = True):
    from transformers import Wav2Vec2FeatureExtractor

    return Wav2Vec2FeatureExtractor(do_normalize=normalise, return_attention_mask=normalise)


def wav2vec2_base():
    from transformers import Wav2Vec2Config

    return Wav2Vec2Config(**SIZE, **GROUP), wav2vec2_extractor()


def xlsr():
    from transformers import Wav2Vec2Config

    return Wav2Vec2Config(**SIZE, **LAYER), wav2vec2_extractor()


def hubert_large():
    from transformers import HubertConfig

    return HubertConfig(**SIZE, **LAYER), wav2vec2_extractor()


def mhubert():
    """mHuBERT-147: batch norm before the positional convolution."""
    from transformers import HubertConfig

    return HubertConfig(**SIZE, **GROUP, conv_pos_batch_norm=True), wav2vec2_extractor()


def wavlm_base():
    from transformers import WavLMConfig

    return WavLMConfig(**SIZE, **GROUP), wav2vec2_extractor(normalise=False)


def wavlm_large():
    from transformers import WavLMConfig

    return WavLMConfig(**SIZE, **LAYER), wav2vec2_extractor()


def data2vec():
    """Several positional convolutions, one after the other."""
    from transformers import Data2VecAudioConfig

    positions = {"num_conv_pos_embeddings": 3, "conv_pos_kernel_size": 7}
    return Data2VecAudioConfig(**SIZE, **{**GROUP, **positions}), wav2vec2_extractor()


def unispeech_sat():
    from transformers import UniSpeechSatConfig

    return UniSpeechSatConfig(**SIZE, **GROUP), wav2vec2_extractor()


def w2v_bert():
    from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertConfig

    return Wav2Vec2BertConfig(**SIZE, conv_depthwise_kernel_size=7), SeamlessM4TFeatureExtractor()


def whisper():
    from transformers import WhisperConfig, WhisperFeatureExtractor

    config = WhisperConfig(
        d_model=16, encoder_layers=3, encoder_attention_heads=2, encoder_ffn_dim=32, num_mel_bins=80,
        decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=32, vocab_size=50, pad_token_id=0,
        bos_token_id=1, eos_token_id=2, decoder_start_token_id=3,
    )  # fmt: skip
    return config, WhisperFeatureExtractor()


SPEECH = {make.__name__: make for make in (
    wav2vec2_base, xlsr, hubert_large, mhubert, wavlm_base, wavlm_large, data2vec, unispeech_sat, w2v_bert, whisper
)}  # fmt: skip


def lively(model):
    """Weights as far from their start as training takes them: no clip, no bias and no norm is without effect."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
        else:
            parameter.data += 0.3 * torch.randn_like(parameter)
    for name, buffer in model.named_buffers():
        if "running_mean" in name:
            buffer.normal_()
    return model.eval()


@pytest.fixture(scope="session")
def speech_checkpoint(tmp_path_factory):
    """family -> folder of a tiny checkpoint, made once, to be read only."""
    made: dict[str, Path] = {}

    def make(family: str) -> Path:
        if family not in made:
            from transformers import AutoModel

            config, extractor = SPEECH[family]()
            made[family] = tmp_path_factory.mktemp(family)
            lively(AutoModel.from_config(config)).save_pretrained(made[family])
            extractor.save_pretrained(made[family])
        return made[family]

    return make


@pytest.fixture(params=SPEECH)
def any_checkpoint(request, speech_checkpoint) -> Path:
    """A checkpoint of each family."""
    return speech_checkpoint(request.param)


# -- text

WINDOW = 64  # tokens that each of them takes, special ones included
TEXT = {  # the rows that a family needs for so many positions, and what else it wants
    "bert": ("BertConfig", {"max_position_embeddings": WINDOW}),
    "roberta": ("RobertaConfig", {"max_position_embeddings": WINDOW + 2, "type_vocab_size": 1}),
    "camembert": ("CamembertConfig", {"max_position_embeddings": WINDOW + 2, "type_vocab_size": 1}),
    "xlm_roberta": ("XLMRobertaConfig", {"max_position_embeddings": WINDOW + 2, "type_vocab_size": 1}),
    "mpnet": ("MPNetConfig", {"max_position_embeddings": WINDOW + 2}),
    "electra": ("ElectraConfig", {"max_position_embeddings": WINDOW, "embedding_size": 12}),
    "distilbert": (
        "DistilBertConfig",
        {"max_position_embeddings": WINDOW, "dim": 16, "hidden_dim": 32, "n_layers": 2, "n_heads": 2},
    ),
    "deberta": (
        "DebertaConfig",
        {"max_position_embeddings": WINDOW, "relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    ),
    "deberta_v2": (
        "DebertaV2Config",
        {
            "max_position_embeddings": WINDOW,
            "relative_attention": True,
            "position_biased_input": False,
            "position_buckets": 8,
            "pos_att_type": ["c2p", "p2c"],
            "share_att_key": True,
            "norm_rel_ebd": "layer_norm",
        },
    ),
}
TEXT_SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


def randomised(model):
    """The default start is so small that every text looks alike."""
    import torch

    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
    return model.eval()


@pytest.fixture(scope="session")
def spanish_tokenizer(tiny_roberta):
    """A new copy of the tiny tokenizer at each call."""
    from transformers import AutoTokenizer

    return lambda: AutoTokenizer.from_pretrained(tiny_roberta)


@pytest.fixture(scope="session")
def text_checkpoint(tmp_path_factory, spanish_tokenizer):
    """Family -> folder of a tiny checkpoint, made once."""
    made: dict[str, Path] = {}

    def make(family: str) -> Path:
        if family not in made:
            import transformers

            name, own = TEXT[family]
            tokenizer, folder = spanish_tokenizer(), tmp_path_factory.mktemp(family)
            sizes = {} if family == "distilbert" else TEXT_SIZES
            tokens = {"vocab_size": len(tokenizer), "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
            config = getattr(transformers, name)(**sizes, **tokens, **own)
            randomised(transformers.AutoModel.from_config(config)).save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            made[family] = folder
        return made[family]

    return make


@pytest.fixture(params=sorted(TEXT))
def family_folder(request, text_checkpoint) -> Path:
    return text_checkpoint(request.param)


def transformer_module(folder: Path, max_seq_length: int | None = None):
    from sentence_transformers.sentence_transformer.modules import Transformer

    return Transformer(str(folder), max_seq_length=max_seq_length)


@pytest.fixture(scope="session")
def sentence_checkpoint(tmp_path_factory, text_checkpoint):
    """Kind -> folder of a tiny sentence-transformers model, made once."""
    made: dict[str, Path] = {}

    def make(kind: str) -> Path:
        if kind not in made:
            import torch
            from sentence_transformers import SentenceTransformer

            torch.manual_seed(0)
            modules, options = SENTENCE[kind](text_checkpoint)
            folder = tmp_path_factory.mktemp("sentence") / kind
            SentenceTransformer(modules=modules, device="cpu", **options).save(str(folder), create_model_card=False)
            made[kind] = folder
        return made[kind]

    return make


def mean_model(text_checkpoint):
    """As paraphrase-multilingual-mpnet-base-v2: XLM-R, mean, a shorter window."""
    from sentence_transformers.sentence_transformer.modules import Pooling

    return [transformer_module(text_checkpoint("xlm_roberta"), max_seq_length=24), Pooling(16)], {}


def dense_model(text_checkpoint):
    """As LaBSE: BERT, first token, Dense, normalised."""
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling

    modules = [transformer_module(text_checkpoint("bert")), Pooling(16, "cls"), Dense(16, 6), Normalize()]
    return modules, {}


def prompted_model(text_checkpoint):
    """As the instructed ones: each text has a prompt before it, which pooling leaves out."""
    from sentence_transformers.sentence_transformer.modules import Pooling

    modules = [
        transformer_module(text_checkpoint("mpnet"), max_seq_length=64),
        Pooling(16, ("mean", "max"), include_prompt=False),
    ]
    return modules, {"prompts": {"emotion": "Estoy muy: "}, "default_prompt_name": "emotion", "truncate_dim": 20}


def static_model(text_checkpoint):
    """As potion: an embedding for each token, and their mean."""
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from transformers import AutoTokenizer

    return [StaticEmbedding(AutoTokenizer.from_pretrained(text_checkpoint("bert")), embedding_dim=5)], {}


def words_model(_):
    """One of whole words: no Hugging Face tokenizer."""
    from sentence_transformers.sentence_transformer.modules import BoW

    return [BoW(["hoy", "vamos", "ganado"])], {}


SENTENCE = {
    "mean": mean_model,
    "dense": dense_model,
    "prompted": prompted_model,
    "static": static_model,
    "words": words_model,
}


@pytest.fixture
def speech_families() -> list[str]:
    return list(SPEECH)


@pytest.fixture
def text_families() -> list[str]:
    return list(TEXT)
