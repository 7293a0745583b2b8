"""Streaming recognition in sherpa-onnx: decoding graph, partials, endpoint, wake phrase, models."""
