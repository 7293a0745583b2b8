"""sherpa-onnx's ``OnlineRecognizer``, set up for the embedded model and the grammar graph.

The public Python factory does not offer a graph for NeMo CTC models, so the configuration is put
together from the binding's own classes. Traps known and handled by the callers:

* A result is refreshed only when the decoder stands in a final state; otherwise the previous one
  stays. Our graph is final everywhere, at a cost.
* ``ys_probs`` is empty on this path; scores come from :mod:`carvoice.asr.acoustic`.
* ``is_ready`` wants one frame more than a chunk, and the model looks ahead: the end is padded.
* For NeMo models the features are librosa's, not Kaldi's, whatever the configuration says; other
  versions may differ, so :func:`check_features` compares them with those the model was made for.
* ``reset`` keeps the network's and part of the decoder's state; a new stream is made instead.
* Missing metadata or a wrong token table ends the process; :class:`AcousticModel` checks before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kaldi_native_fbank as knf
import numpy as np
import sherpa_onnx
import sherpa_onnx.lib._sherpa_onnx as binding

from carvoice.asr.acoustic import FEATURE_BINS, feature_options
from carvoice.errors import ModelError
from carvoice.records import SAMPLE_RATE_HZ

_PROBE_FRAMES = 20


def graph_recognizer(model: Path, tokens: Path, graph: Path, threads: int, max_active: int) -> Any:
    """An ``OnlineRecognizer`` that decodes a streaming NeMo CTC model with a graph."""
    return binding.OnlineRecognizer(
        binding.OnlineRecognizerConfig(
            feat_config=binding.FeatureExtractorConfig(
                sampling_rate=SAMPLE_RATE_HZ, feature_dim=FEATURE_BINS
            ),
            model_config=binding.OnlineModelConfig(
                nemo_ctc=binding.OnlineNeMoCtcModelConfig(model=str(model)),
                tokens=str(tokens),
                num_threads=threads,
                provider_config=binding.ProviderConfig(provider="cpu"),
            ),
            endpoint_config=binding.EndpointConfig(
                rule1=binding.EndpointRule(False, 2.4, 0),
                rule2=binding.EndpointRule(True, 1.2, 0),
                rule3=binding.EndpointRule(False, 0, 20),
            ),
            ctc_fst_decoder_config=binding.OnlineCtcFstDecoderConfig(graph=str(graph), max_active=max_active),
            enable_endpoint=False,
            decoding_method="greedy_search",
        )
    )


def check_features(engine: Any) -> None:
    """Compare the features this sherpa-onnx computes with those our models were trained on.

    Raises:
        ModelError: they differ, so the model would be deaf.
    """
    probe = np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE_HZ).astype(np.float32)
    stream = engine.create_stream()
    stream.accept_waveform(SAMPLE_RATE_HZ, probe)
    theirs = np.array(stream.get_frames(0, _PROBE_FRAMES), np.float32).reshape(_PROBE_FRAMES, FEATURE_BINS)
    bank = knf.OnlineFbank(feature_options())
    bank.accept_waveform(SAMPLE_RATE_HZ, probe)
    ours = np.stack([bank.get_frame(index) for index in range(_PROBE_FRAMES)])
    off = float(np.abs(theirs - ours).max())
    if off > 1e-2:
        raise ModelError(
            f"sherpa-onnx {sherpa_onnx.__version__} computes other features than the model was trained on "
            f"(off by {off:.1f}); install the version carvoice names in its requirements"
        )
