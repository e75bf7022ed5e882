"""A trained run as a model folder of the Hugging Face Hub: its files, its card, its ONNX graphs, its way there."""
