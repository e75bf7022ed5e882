"""The small text encoder that needs no pre-trained weights."""

import pytest
import torch

from emospeech.encoders.text.subword import SPECIAL, SubwordTransformer, train_tokenizer


def test_tokenizer_is_a_function_of_the_texts(spanish_sentences):
    once, again = (train_tokenizer(spanish_sentences * 3, vocabulary=120) for _ in range(2))
    assert once.tokenizer.get_vocab() == again.tokenizer.get_vocab()
    ids = once("¡Hemos GANADO!")
    assert ids[0] == SPECIAL.index("<s>")
    assert ids[-1] == SPECIAL.index("</s>")
    assert once("¡hemos ganado!") == ids
    assert once("")  # an empty text is still two special tokens
    assert once.pad_id == SPECIAL.index("<pad>")


def test_tokenizer_survives_saving(spanish_sentences, tmp_path):
    from emospeech.encoders.text.tokenizer import load_tokenizer

    tokenizer = train_tokenizer(spanish_sentences, vocabulary=120)
    tokenizer.tokenizer.save_pretrained(tmp_path)
    again = load_tokenizer(str(tmp_path))
    for text in spanish_sentences:
        assert again(text)["input_ids"] == list(tokenizer(text))


@pytest.mark.parametrize("length", [1, 7])
def test_transformer_knows_word_order(length):
    torch.manual_seed(0)
    encoder = SubwordTransformer(tokens=20, max_tokens=16, width=8, depth=1, heads=2).eval()
    ids = torch.randint(4, 20, (1, length))
    states, _ = encoder(ids, torch.ones_like(ids, dtype=torch.bool))
    assert states.shape == (1, length, 8)
    if length > 1:
        flipped, _ = encoder(ids.flip(1), torch.ones_like(ids, dtype=torch.bool))
        assert not torch.allclose(states.mean(1), flipped.mean(1), atol=1e-6)
