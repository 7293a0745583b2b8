"""Streaming recognition: sherpa-onnx models, decoding graph, endpoint decision."""
