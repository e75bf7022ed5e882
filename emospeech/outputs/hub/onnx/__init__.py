"""Networks as ONNX graphs, each checked against PyTorch through onnxruntime."""
