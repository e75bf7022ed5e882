"""Two speech encoders that are small and know nothing, to try out what frozen encoders are used for, in seconds.

    python benchmarks/tiny_encoders.py encoders        makes encoders/tiny_wav2vec2 and encoders/tiny_hubert

Their architectures are those of wav2vec 2.0 base and HuBERT large with three and four layers; weights are random, the
same at every call. Scores with them show that the road works, nothing about the published encoders.
"""

import argparse
from pathlib import Path

import torch
from transformers import HubertConfig, HubertModel, Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

from emospeech.runtime.files import refuse_existing, replacing_folder

SMALL = {
    "hidden_size": 32,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
LARGE_NORMS = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}


def save(folder: Path, model: torch.nn.Module, masks: bool) -> None:
    """
    Args:
        masks: whether padding is masked in the convolutions, as with layer norm.
    """
    for parameter in model.parameters():  # the default start is so small that every clip looks alike
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    with replacing_folder(folder) as temporary:
        model.save_pretrained(temporary)
        Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=masks).save_pretrained(temporary)


def make(folder: Path) -> list[Path]:
    """The checkpoint folders.

    Raises:
        UserError: if one is there already.
    """
    made = [folder / "tiny_wav2vec2", folder / "tiny_hubert"]
    for path in made:
        refuse_existing(path)
    torch.manual_seed(0)
    save(made[0], Wav2Vec2Model(Wav2Vec2Config(**SMALL, num_hidden_layers=3)), masks=False)
    save(made[1], HubertModel(HubertConfig(**SMALL, **LARGE_NORMS, num_hidden_layers=4)), masks=True)
    return made


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for path in make(parser.parse_args().folder):
        print(path)
