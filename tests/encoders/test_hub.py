"""Which files of a repository are fetched; how, `emospeech prefetch` tests."""

from emospeech.encoders.hub import needed


def test_weights_in_one_format_and_what_is_small():
    files = ["config.json", "tokenizer.json", "vocab.txt", "merges.txt", "sentencepiece.bpe.model", "README.md"]
    other = ["tf_model.h5", "flax_model.msgpack", "rust_model.ot", "onnx/model.onnx", "onnx/config.json", "picture.png"]
    assert needed([*files, *other, "pytorch_model.bin"]) == sorted([*files[:-1], "pytorch_model.bin"])
    both = ["pytorch_model.bin", "model.safetensors", "model.fp16.safetensors"]
    assert needed([*other, *both]) == ["model.safetensors"]
    parts = [f"model-0000{k}-of-00002.safetensors" for k in (1, 2)]
    assert needed([*parts, "model.safetensors.index.json", "pytorch_model-00001-of-00001.bin"]) == sorted(
        [*parts, "model.safetensors.index.json"]
    )


def test_modules_of_sentence_transformers_whole():
    modules = ["1_Pooling/config.json", "2_Dense/model.safetensors", "2_Dense/pytorch_model.bin"]
    assert needed(["modules.json", *modules, "openvino/openvino_model.bin"]) == [*modules, "modules.json"]
