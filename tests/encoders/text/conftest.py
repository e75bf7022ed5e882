"""Tiny text encoders of several families, in the formats that transformers and sentence-transformers save."""

import shutil
from pathlib import Path

import pytest

WINDOW = 64  # tokens that each of them takes, special ones included
FAMILIES = {  # the rows that a family needs for so many positions, and what else it wants
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
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


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

            name, own = FAMILIES[family]
            tokenizer, folder = spanish_tokenizer(), tmp_path_factory.mktemp(family)
            sizes = {} if family == "distilbert" else SIZES
            tokens = {"vocab_size": len(tokenizer), "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
            config = getattr(transformers, name)(**sizes, **tokens, **own)
            randomised(transformers.AutoModel.from_config(config)).save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            made[family] = folder
        return made[family]

    return make


@pytest.fixture(params=sorted(FAMILIES))
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
            modules, options = KINDS[kind](text_checkpoint)
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


KINDS = {
    "mean": mean_model,
    "dense": dense_model,
    "prompted": prompted_model,
    "static": static_model,
    "words": words_model,
}


@pytest.fixture
def copy_of(tmp_path):
    """A checkpoint folder of one's own, to be changed."""
    return lambda folder: Path(shutil.copytree(folder, tmp_path / "copy"))


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """Puts a checkpoint into a Hub cache under an id, as commit 000…"""
    from huggingface_hub import constants

    def put(name: str, folder: Path) -> None:
        repository = tmp_path / f"models--{name.replace('/', '--')}"
        shutil.copytree(folder, repository / "snapshots" / ("0" * 40))
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text("0" * 40)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))

    return put
