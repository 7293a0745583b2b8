"""Log-mel features of a sound that comes in pieces, in whatever pieces they are wanted."""

from __future__ import annotations

from typing import TypeAlias

import kaldi_native_fbank as knf
import numpy as np
from numpy.typing import NDArray

from carvoice.records import SAMPLE_RATE_HZ, FloatArray

FloatMatrix: TypeAlias = NDArray[np.float32]

FEATURE_BINS = 80
FRAME_SHIFT_MS = 10

_FRAME_SAMPLES = FRAME_SHIFT_MS * SAMPLE_RATE_HZ // 1000
_FORK_FRAMES = 4  # a bank's first frames mirror the sound before it; those of a fork are not used


def feature_options(as_librosa: bool = False) -> knf.FbankOptions:
    """The log-mel filter bank that sherpa-onnx computes (natural log, ±1 samples), 80 bands every 10 ms over
    25 ms: Kaldi's, 20-7600 Hz, Povey window; or librosa's, Slaney-normalized, 0-8000 Hz, Hann window, DC
    kept, with which it feeds NeMo's networks.
    """
    options = knf.FbankOptions()
    frame, mel = options.frame_opts, options.mel_opts
    frame.samp_freq, frame.frame_shift_ms, frame.frame_length_ms = SAMPLE_RATE_HZ, FRAME_SHIFT_MS, 25
    frame.dither, frame.snip_edges = 0, False
    mel.num_bins = FEATURE_BINS
    if as_librosa:
        frame.window_type, frame.remove_dc_offset = "hann", False
        mel.low_freq, mel.high_freq, mel.is_librosa = 0, 0, True
    else:
        frame.window_type = "povey"
        mel.low_freq, mel.high_freq = 20, -400
    return options


class FeatureStream:
    """Sound in, features out. One thread at a time."""

    def __init__(self, options: knf.FbankOptions) -> None:
        self._options = options
        self._bank = knf.OnlineFbank(options)
        self._taken = 0
        self._bank_begin = 0  # stream frame that is the bank's frame 0
        self._recent = np.zeros(0, np.float32)  # sound from which a fork computes its features again
        self._recent_begin = 0  # stream frame at which it begins

    @property
    def waiting(self) -> int:
        """Frames that may be taken."""
        return int(self._bank_begin + self._bank.num_frames_ready - self._taken)

    def accept(self, samples: FloatArray) -> None:
        """Take sound (n,) in ±1."""
        self._bank.accept_waveform(SAMPLE_RATE_HZ, samples)
        self._recent = np.concatenate([self._recent, samples])

    def take(self, frames: int) -> FloatMatrix:
        """The next features, (frames, 80), at most those that wait."""
        # The frames are views into the bank's memory, so they are copied before it lets go of them.
        first = self._taken - self._bank_begin
        features = np.stack([self._bank.get_frame(first + index) for index in range(frames)])
        self._bank.pop(frames)
        self._taken += frames
        begin = max(0, self._taken - _FORK_FRAMES)
        self._recent = self._recent[(begin - self._recent_begin) * _FRAME_SAMPLES :]
        self._recent_begin = begin
        return features

    def fork(self) -> FeatureStream:
        """A stream that goes on from here by itself, so that an end can be tried without ending this one."""
        twin = FeatureStream(self._options)
        twin._taken = self._taken
        twin._bank_begin = twin._recent_begin = self._recent_begin
        twin._recent = self._recent
        twin._bank.accept_waveform(SAMPLE_RATE_HZ, self._recent)
        twin._bank.pop(self._taken - self._recent_begin)
        return twin
