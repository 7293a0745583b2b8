"""Settings of the front end."""

from __future__ import annotations

from dataclasses import dataclass

from carvoice.errors import ConfigError
from carvoice.records import Zone

ZONES = (Zone.DRIVER, Zone.PASSENGER, Zone.REAR_LEFT, Zone.REAR_RIGHT)
# metres: backwards from the windscreen, to the right, upwards; a left-hand drive of usual size
SEATS_M = ((1.15, 0.40, 0.95), (1.15, 1.10, 0.95), (2.00, 0.40, 0.95), (2.00, 1.10, 0.95))


@dataclass(frozen=True, slots=True)
class FrontEndSettings:
    """What the front end does, and how hard.

    The defaults are for one microphone and a mono loudspeaker signal in a car.

    Attributes:
        microphones: 1 to 4; from two on a beam is formed to the seat that talks.
        microphone_positions_m: where they are, needed from two on.
        zone_positions_m: where the mouths are, in the order of ``ZONES``; the first is the driver's.
        far_channels: loudspeaker channels, 1 or 2.
        highpass_hz: cut-off of a high-pass before everything, 0 for none: a sound card's DC offset does not
            disturb the canceller, and the recognizer's features are made without it.
        cancel_echo: linear echo canceller.
        suppress_echo: residual echo suppressor (both outputs; the recognizer's only by its share).
        suppress_noise: noise suppressor of the ``vad`` output.
        comfort_noise: fill up with noise of the cabin's spectrum what echo suppression cuts out of it.
        linear_only: stop after the linear canceller, whose output both outputs then are, without delay; no
            suppression, voice activity, zone or beam.
        control_gain: slow gain control of the ``asr`` output.
        echo_tail_ms: length of the echo filter: 80 to 320, in steps of 80.
        max_delay_ms: how far behind the loudspeaker signal the echo is searched, 0 for no search.
        delay_ms: delay known beforehand.
        follow_drift: estimate and undo clock drift between loudspeaker and microphone.
        overdrive: model a mono loudspeaker that clips or saturates: its clipping level is learned, and what
            it cuts off gets an echo filter of its own.
        deep_wander: share of its power by which the deep filter believes the echo path changes per frame, at
            least: it learns to believe in more while the path keeps moving.
        fast_wander: the same of the fast filter.
        asr_echo_share: 0..1, how much of the echo suppression the ``asr`` output takes; it takes less where
            the talker covers what is left of the echo.
        asr_noise_share: 0..1, how much of the noise suppression the ``asr`` output takes.
        echo_floor_db: most attenuation of echo in the ``vad`` output.
        noise_floor_db: most attenuation of noise in the ``vad`` output.
        target_db: level of speech that the gain control aims at, dBFS.
        most_gain_db: the most it amplifies.
    """

    microphones: int = 1
    microphone_positions_m: tuple[tuple[float, float, float], ...] = ()
    zone_positions_m: tuple[tuple[float, float, float], ...] = SEATS_M
    far_channels: int = 1
    highpass_hz: float = 0.0
    cancel_echo: bool = True
    suppress_echo: bool = True
    suppress_noise: bool = True
    comfort_noise: bool = False
    linear_only: bool = False
    control_gain: bool = False
    echo_tail_ms: int = 160
    max_delay_ms: int = 320
    delay_ms: float = 0.0
    follow_drift: bool = True
    overdrive: bool = True
    deep_wander: float = 3e-6
    fast_wander: float = 4e-3
    asr_echo_share: float = 0.35
    asr_noise_share: float = 0.0
    echo_floor_db: float = -40.0
    noise_floor_db: float = -20.0
    target_db: float = -24.0
    most_gain_db: float = 15.0

    def __post_init__(self) -> None:
        for name in ("asr_echo_share", "asr_noise_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(f"{name} = {getattr(self, name)}: must be 0 to 1")
        for name in ("deep_wander", "fast_wander"):
            if not 0.0 < getattr(self, name) <= 0.2:
                raise ConfigError(f"{name} = {getattr(self, name)}: must be above 0, at most 0.2")
        for name in ("echo_floor_db", "noise_floor_db"):
            if not -80.0 <= getattr(self, name) <= 0.0:
                raise ConfigError(f"{name} = {getattr(self, name)}: must be -80 to 0 dB")
        if self.linear_only and self.microphones > 1:
            raise ConfigError("linear_only needs microphones = 1: a beam comes after the canceller")
        if self.microphones > 1 and len(self.microphone_positions_m) != self.microphones:
            raise ConfigError(
                f"microphone_positions_m has {len(self.microphone_positions_m)} positions,"
                f" microphones is {self.microphones}: give one (x, y, z) in metres for each"
            )
        if self.echo_tail_ms % 80 or not 80 <= self.echo_tail_ms <= 320:
            raise ConfigError(f"echo_tail_ms = {self.echo_tail_ms}: must be 80 to 320 in steps of 80")
