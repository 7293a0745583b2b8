"""Voice activity written out in numpy, in double precision: what the network sees, and the network."""

import re
from pathlib import Path

import numpy as np

BINS = 161


class VoiceFeatures:
    """What the voice activity network sees: csrc/cv_vad_features.h."""

    EDGES = np.array([*range(2, 19), 21, 24, 27, 31, 35, 40, 46, 52, 60, 68, 78, 89, 102, 116, 133, 152])

    def __init__(self):
        self.level, self.frames, self.far_frames = 0.0, 0, 0
        self.mic = self.error = 0.0

    def process(self, power, noise, residual, near, error, far, sounds):
        interference = 1.6 * residual + noise
        bands = [np.add.reduceat(x[:152], self.EDGES[:-1]) for x in (power, interference, residual)]
        bands = np.array(bands) / np.diff(self.EDGES)
        heard, against = bands[:2] + 1e-8
        logs = np.log(heard)
        self.frames = min(self.frames + 1, 100)
        self.level += (logs.mean() - self.level) / self.frames
        self.far_frames = min(self.far_frames + sounds, 300)
        if sounds:
            self.mic = 0.95 * self.mic + 0.05 * np.mean(near**2)
            self.error = 0.95 * self.error + 0.05 * np.mean(error**2)
        above = np.where((np.arange(BINS) < 2) | (np.arange(BINS) > 80), 0, power - interference)
        correlation = np.fft.irfft(np.sqrt(np.maximum(above, 0)))
        periodic = max(correlation[40:161].max(), 0) / (correlation[0] + 1e-8)
        echo = residual[2:152].sum() / (power[2:152].sum() + 1e-8)
        erle = np.log10((self.mic + 1e-12) / (self.error + 1e-12)) / 2 if sounds else 0
        far_level = np.clip(2 + np.log10(np.mean(far**2) + 1e-8) / 4, 0, 2) if sounds else 0
        whole = [periodic, min(echo, 1), sounds, np.clip(erle, -1, 2), far_level, self.far_frames / 300]
        return np.concatenate([logs - self.level, np.clip(np.log(heard / against), -3, 7), whole])


class VoiceNetwork:
    """Cho et al. 2014, eqs. 5-8, with the shipped weights."""

    def __init__(self):
        text = (Path(__file__).parents[2] / "csrc" / "cv_vad_weights.h").read_text()
        arrays = {}
        for name, body in re.findall(r"vad_(\w+)(?:\[\d+\])? = (.*?);", text, re.DOTALL):
            parts = re.findall(r"\{([^{}]+)\}", body) or [body]
            arrays[name] = [
                np.array([float(x.rstrip("f")) for x in re.split(r"[,\s]+", p.strip())]) for p in parts
            ]
        self.seen = arrays["in"][0].reshape(70, 40) * arrays["in_scale"][0]
        self.bias = arrays["in_bias"][0]
        self.layers = [self.layer(*arrays[name]) for name in ("first", "second")]
        self.out, self.out_bias = arrays["out"][0], arrays["out_bias"][0][0]
        self.states = [np.zeros(40), np.zeros(40)]

    @staticmethod
    def layer(into, state, into_scale, into_bias, state_scale, state_bias):
        return (
            into.reshape(40, 120) * into_scale,
            into_bias,
            state.reshape(40, 120) * state_scale,
            state_bias,
        )

    def process(self, features):
        x = np.maximum(features @ self.seen + self.bias, 0)
        for index, (into, into_bias, onto, onto_bias) in enumerate(self.layers):
            state = self.states[index]
            a, b = np.split(x @ into + into_bias, 3), np.split(state @ onto + onto_bias, 3)
            reset, update = (1 / (1 + np.exp(-a[i] - b[i])) for i in (0, 1))
            x = self.states[index] = (1 - update) * np.tanh(a[2] + reset * b[2]) + update * state
        ratio, is_active, heard = features[32:64], features[66], features[69]
        cold = is_active * (1 - heard) * 1.5 * (ratio.mean() + ratio.max() - 2)
        return 1 / (1 + np.exp(-x @ self.out - self.out_bias - cold))
