"""Echo cancellers and noise suppressors from PyPI, and ours, behind one function.

Each system maps (mic, far) to its output and tells its time per 10 ms frame; a peer that is not
installed is named as absent.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

FRAME = 160


@dataclass(frozen=True)
class Result:
    """Output of one system: latency_samples is its own delay, frame_us the time of each frame."""

    out: np.ndarray
    latency_samples: int
    frame_us: np.ndarray


def int16(x: np.ndarray) -> np.ndarray:
    return np.clip(np.round(x * 32768), -32768, 32767).astype(np.int16)


def framewise(
    mic: np.ndarray, far: np.ndarray, latency: int, step: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> Result:
    if far.ndim > 1:
        far = far.mean(axis=0)  # the peers take one channel
    frames = len(mic) // FRAME
    out = np.zeros(frames * FRAME, np.float32)
    times = np.zeros(frames)
    for i in range(frames):
        at = slice(i * FRAME, (i + 1) * FRAME)
        start = time.process_time()
        out[at] = step(mic[at], far[at])
        times[i] = (time.process_time() - start) * 1e6
    return Result(out, latency, times)


def carvoice(mic: np.ndarray, far: np.ndarray, output: str = "asr", **settings: object) -> Result:
    from carvoice.audio import FrontEnd, FrontEndSettings

    channels = 1 if far.ndim == 1 else len(far)
    front_end = FrontEnd(FrontEndSettings(far_channels=channels, **settings))  # type: ignore[arg-type]
    frames = mic.shape[-1] // FRAME
    outs, times = [], np.zeros(frames)
    for i in range(frames):
        at = slice(i * FRAME, (i + 1) * FRAME)
        start = time.process_time()
        result = front_end.process(mic[..., at], far[..., at])
        times[i] = (time.process_time() - start) * 1e6
        outs.append(getattr(result, output))
    return Result(np.concatenate(outs), front_end.latency_samples, times)


def pywebrtc_aec3(mic: np.ndarray, far: np.ndarray) -> Result:
    import pywebrtc_audio

    aec = pywebrtc_audio.EchoCanceller(sample_rate=16000)
    return framewise(mic, far, 128, lambda m, f: np.asarray(aec.process(m, f), np.float32).ravel())


def pywebrtc_all(mic: np.ndarray, far: np.ndarray) -> Result:
    import pywebrtc_audio

    apm = pywebrtc_audio.AudioProcessor(
        sample_rate=16000, echo_cancellation=True, noise_suppression=True, high_pass_filter=True
    )
    return framewise(mic, far, 128, lambda m, f: np.asarray(apm.process(m, f), np.float32).ravel())


def livekit_apm(mic: np.ndarray, far: np.ndarray) -> Result:
    from livekit import rtc

    apm = rtc.AudioProcessingModule(echo_cancellation=True, noise_suppression=True, high_pass_filter=True)

    def step(m: np.ndarray, f: np.ndarray) -> np.ndarray:
        near = rtc.AudioFrame(bytearray(int16(m).tobytes()), 16000, 1, FRAME)
        apm.process_reverse_stream(rtc.AudioFrame(bytearray(int16(f).tobytes()), 16000, 1, FRAME))
        apm.set_stream_delay_ms(0)
        apm.process_stream(near)
        return np.frombuffer(bytes(near.data), np.int16).astype(np.float32) / 32768

    return framewise(mic, far, 128, step)


def speexdsp_aec(mic: np.ndarray, far: np.ndarray) -> Result:
    import speexdsp

    aec = speexdsp.EchoCanceller.create(FRAME, 2048, 16000)

    def step(m: np.ndarray, f: np.ndarray) -> np.ndarray:
        out = aec.process(int16(m).tobytes(), int16(f).tobytes())
        return np.frombuffer(out, np.int16).astype(np.float32) / 32768

    return framewise(mic, far, 0, step)


def pyaec_aec(mic: np.ndarray, far: np.ndarray) -> Result:
    import pyaec

    aec = pyaec.Aec(FRAME, 2048, 16000, True)

    def step(m: np.ndarray, f: np.ndarray) -> np.ndarray:
        return np.array(aec.cancel_echo(int16(m).tolist(), int16(f).tolist()), np.float32) / 32768

    return framewise(mic, far, 0, step)


def rnnoise(mic: np.ndarray, far: np.ndarray) -> Result:
    import soxr
    from pyrnnoise import rnnoise as lib

    state = lib.create()
    up = int16(soxr.resample(mic, 16000, 48000))
    frames = len(up) // 480
    out, times = np.zeros(frames * 480, np.int16), np.zeros(frames)
    for i in range(frames):
        start = time.process_time()
        got, _ = lib.process_frame(state, up[i * 480 : (i + 1) * 480])
        times[i] = (time.process_time() - start) * 1e6
        out[i * 480 : (i + 1) * 480] = got
    lib.destroy(state)
    down = soxr.resample(out.astype(np.float32) / 32768, 48000, 16000)
    return Result(down.astype(np.float32), 160, times)


def noisereduce_gate(mic: np.ndarray, far: np.ndarray) -> Result:
    import noisereduce

    start = time.process_time()
    out = noisereduce.reduce_noise(y=mic, sr=16000, stationary=False)
    each = (time.process_time() - start) * 1e6 / (len(mic) // FRAME)
    return Result(np.asarray(out, np.float32), 0, np.full(len(mic) // FRAME, each))


ECHO_CANCELLERS: dict[str, Callable[[np.ndarray, np.ndarray], Result]] = {
    "carvoice linear": lambda m, f: carvoice(m, f, "asr", linear_only=True),
    "carvoice asr": lambda m, f: carvoice(m, f, "asr"),
    "carvoice vad": lambda m, f: carvoice(m, f, "vad"),
    "pywebrtc-audio AEC3": pywebrtc_aec3,
    "pywebrtc-audio APM": pywebrtc_all,
    "livekit APM": livekit_apm,
    "speexdsp 2048": speexdsp_aec,
    "pyaec 2048": pyaec_aec,
}
NOISE_SUPPRESSORS: dict[str, Callable[[np.ndarray, np.ndarray], Result]] = {
    "carvoice vad": lambda m, f: carvoice(m, f, "vad"),
    "pyrnnoise": rnnoise,
    "noisereduce": noisereduce_gate,
    "pywebrtc-audio APM": pywebrtc_all,
}
