"""sherpa-onnx's ``OnlineRecognizer``, set up for the embedded model and the grammar graph.

Traps known and handled here or by the callers:

* A result is refreshed only when the decoder stands in a final state; otherwise the previous one
  stays. Our graph is final everywhere, at a cost.
* ``ys_probs`` is empty on this path; scores come from :mod:`carvoice.asr.acoustic`.
* ``is_ready`` wants one frame more than a chunk, and the model looks ahead: the end is padded.
* ``num_trailing_blanks`` counts every blank anew at each result; the endpoint is ours.
* ``reset`` keeps the network's and part of the decoder's state; a new stream is made instead.
* Features depend on the network's form (see :mod:`carvoice.asr.forms`) and may on the version, so
  :func:`check_features` compares them with those the model was made for.
* Missing metadata or a wrong token table ends the process; :class:`AcousticModel` checks before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kaldi_native_fbank as knf
import numpy as np
import sherpa_onnx
import sherpa_onnx.lib._sherpa_onnx as binding

from carvoice.asr.features import FEATURE_BINS, feature_options
from carvoice.asr.forms import Form
from carvoice.asr.models import Model
from carvoice.errors import ModelError
from carvoice.records import SAMPLE_RATE_HZ

_PROBE_FRAMES = 20


def graph_recognizer(model: Model, form: Form, graph: Path, threads: int, max_active: int) -> Any:
    """The binding's ``OnlineRecognizer`` that decodes a streaming CTC network with a graph.

    Raises:
        ModelError: this sherpa-onnx computes other features than the model was trained on.
    """
    network, tokens = str(model.files["model"]), str(model.files["tokens"])
    if form.nemo:
        engine = _nemo(network, tokens, str(graph), threads, max_active)
    else:
        factory = sherpa_onnx.OnlineRecognizer.from_zipformer2_ctc(
            tokens=tokens, model=network, num_threads=threads, ctc_graph=str(graph), ctc_max_active=max_active
        )
        engine = factory.recognizer  # its own results carry the words, the factory's only the text
    check_features(engine, form)
    return engine


def _nemo(network: str, tokens: str, graph: str, threads: int, max_active: int) -> Any:
    """As the factories do it; theirs offers no graph for NeMo models."""
    return binding.OnlineRecognizer(
        binding.OnlineRecognizerConfig(
            feat_config=binding.FeatureExtractorConfig(
                sampling_rate=SAMPLE_RATE_HZ, feature_dim=FEATURE_BINS
            ),
            model_config=binding.OnlineModelConfig(
                nemo_ctc=binding.OnlineNeMoCtcModelConfig(model=network),
                tokens=tokens,
                num_threads=threads,
                provider_config=binding.ProviderConfig(provider="cpu"),
            ),
            endpoint_config=binding.EndpointConfig(
                rule1=binding.EndpointRule(False, 2.4, 0),
                rule2=binding.EndpointRule(True, 1.2, 0),
                rule3=binding.EndpointRule(False, 0, 20),
            ),
            ctc_fst_decoder_config=binding.OnlineCtcFstDecoderConfig(graph=graph, max_active=max_active),
            enable_endpoint=False,
            decoding_method="greedy_search",
        )
    )


def check_features(engine: Any, form: Form) -> None:
    """Compare the features this sherpa-onnx computes with those our models were trained on.

    Raises:
        ModelError: they differ, so the model would be deaf.
    """
    probe = np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE_HZ).astype(np.float32)
    stream = engine.create_stream()
    stream.accept_waveform(SAMPLE_RATE_HZ, probe)
    theirs = np.array(stream.get_frames(0, _PROBE_FRAMES), np.float32).reshape(_PROBE_FRAMES, FEATURE_BINS)
    bank = knf.OnlineFbank(feature_options(as_librosa=form.nemo))
    bank.accept_waveform(SAMPLE_RATE_HZ, probe)
    ours = np.stack([bank.get_frame(index) for index in range(_PROBE_FRAMES)])
    off = float(np.abs(theirs - ours).max())
    if off > 1e-2:
        raise ModelError(
            f"sherpa-onnx {sherpa_onnx.__version__} computes other features than the model was trained on "
            f"(off by {off:.1f}); install the version carvoice names in its requirements"
        )
