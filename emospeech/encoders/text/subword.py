"""Text without pre-trained weights: a subword tokenizer trained on the run's transcripts, and a small Transformer."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from emospeech.encoders.text.tokenizer import Tokenizer
from emospeech.encoders.text.windows import read_tokens
from emospeech.encoders.windows import Windows
from emospeech.runtime.errors import UserError

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
VOCABULARY = 2000  # tokens
MAX_TOKENS = 256  # of one window


def train_tokenizer(texts: Sequence[str], vocabulary: int = VOCABULARY, max_tokens: int = MAX_TOKENS) -> Tokenizer:
    """Byte-pair encoding (Sennrich et al. 2016) learned from the training transcripts alone, lower-cased.

    Deterministic: the same texts in the same order give the same tokens.
    """
    import tokenizers
    from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = tokenizers.Tokenizer(models.BPE(unk_token="<unk>"))
    bpe.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    bpe.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()])
    bpe.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, min_frequency=2, special_tokens=list(SPECIAL), show_progress=False
    )
    bpe.train_from_iterator(list(texts), trainer)
    bpe.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", SPECIAL.index("<s>")), ("</s>", SPECIAL.index("</s>"))]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=max_tokens,
    )
    return Tokenizer(fast, max_tokens)


class SubwordTransformer(nn.Module):
    """Embeddings, positions, and a pre-norm Transformer encoder; long texts are read in windows.

    Source: Vaswani et al. 2017 (arXiv 1706.03762); Xiong et al. 2020 (pre-norm, arXiv 2002.04745).
    """

    frozen = False

    def __init__(
        self,
        tokens: int,
        max_tokens: int,
        *,
        width: int = 128,
        depth: int = 2,
        heads: int = 4,
        dropout: float = 0.3,
        token_dropout: float = 0.1,
    ) -> None:
        """
        Args:
            tokens: size of the vocabulary.
            max_tokens: of one window.
            token_dropout: how often a token becomes `<unk>` in training.
        """
        super().__init__()
        if min(width, depth, heads) < 1 or width % heads:
            raise UserError(
                f"width, depth, heads should be 1 or more, and heads divide the width; got {width}, {depth}, {heads}"
            )
        if not 0 <= token_dropout < 1:
            raise UserError(f"token_dropout should be at least 0 and below 1, got {token_dropout}")
        self.width, self.token_dropout = width, token_dropout
        self.windows = Windows(max_tokens)
        self.embed = nn.Embedding(tokens, width)
        self.position = nn.Embedding(max_tokens, width)
        nn.init.normal_(self.embed.weight, std=0.1)
        nn.init.normal_(self.position.weight, std=0.02)
        self.dropout = nn.Dropout(dropout)
        layer = nn.TransformerEncoderLayer(
            width, heads, 2 * width, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        # nested tensors would drop trailing padding and change shapes between training and evaluation
        self.layers = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)

    @property
    def blocks(self) -> nn.ModuleList:
        return self.layers.layers

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """tokens (B, tokens), mask (B, tokens) -> (B, tokens, width), mask (B, tokens)."""
        if self.training and self.token_dropout > 0:
            drop = torch.rand(tokens.shape, device=tokens.device) < self.token_dropout
            tokens = tokens.masked_fill(drop & mask, SPECIAL.index("<unk>"))
        return read_tokens(self._states, tokens, mask, self.windows), mask

    def _states(self, tokens: Tensor, mask: Tensor) -> Tensor:
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.dropout(self.embed(tokens) + self.position(positions))
        states: Tensor = self.layers(x, src_key_padding_mask=~mask)
        return states


SUBWORD_ENCODERS = {"subword_transformer": SubwordTransformer}
