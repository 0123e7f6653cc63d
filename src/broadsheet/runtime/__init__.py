"""Inference without torch: encoder artefacts, static and ONNX encoders, batching, installing."""
