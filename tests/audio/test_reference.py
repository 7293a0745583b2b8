"""The C canceller, suppressors and voice activity against the same written out in numpy, in double precision.

Plain loops over partitions and arrays over bins; no realignment and no drift, which have tests of their own.
"""

import numpy as np
import pytest
from voice_reference import VoiceFeatures, VoiceNetwork

from carvoice.audio import EchoCanceller, FrontEnd, FrontEndSettings, NoiseSuppressor

RATE, FRAME, SIZE, BINS = 16_000, 160, 320, 161
PARTITIONS = 16
PLAIN = {"highpass_hz": 0.0, "max_delay_ms": 0, "follow_drift": False}


class Kalman:
    """One partitioned-block frequency-domain Kalman filter: Kuech, Mabande, Enzner 2014, eqs. 9-16."""

    def __init__(self, wander, elsewhere):
        self.wander, self.elsewhere = wander, elsewhere
        self.path = np.zeros((2 * PARTITIONS, BINS), complex)  # of the far end, then of its excess
        self.spread = np.repeat([[0.1], [0.003]], PARTITIONS, axis=0) * np.ones(BINS)  # state covariance
        self.near = np.zeros(BINS)  # power of near end and noise
        self.unsure = np.zeros(BINS)  # predicted power of the echo left over

    def predict(self, far):
        return np.fft.irfft((far * self.path).sum(axis=0))[FRAME:]

    def update(self, far, error):
        spectrum = np.fft.rfft(np.concatenate([np.zeros(FRAME), error]))
        power = np.abs(far) ** 2
        self.near = 0.85 * self.near + 0.15 * np.maximum(np.abs(spectrum) ** 2 - self.unsure, 0)
        self.unsure = 0.5 * (self.spread * power).sum(axis=0)
        gain = 0.5 * self.spread / (self.unsure + self.near + 1e-10)
        taps = np.abs(self.path) ** 2
        anywhere = self.elsewhere / len(taps) * taps.sum(axis=0)
        self.spread = (1 - 0.5 * gain * power) * self.spread + self.wander * (taps + anywhere)
        gradient = np.fft.irfft(gain * far.conj() * spectrum, axis=1)
        gradient[:, FRAME:] = 0  # a partition has 160 taps
        self.path = self.path + np.fft.rfft(gradient, axis=1)

    def take_over(self, other):
        self.path, self.spread, self.near = other.path.copy(), other.spread.copy(), other.near.copy()


class Curve:
    """A number of the loudspeaker's curve, learned by the echo's slope on it: Stenger, Kellermann 2000."""

    def __init__(self, value):
        self.value, self.variance = value, 0.0
        self.slope = np.zeros((PARTITIONS, BINS), complex)

    def push(self, slope):
        self.slope = np.roll(self.slope, 1, axis=0)
        self.slope[0] = np.fft.rfft(slope)

    def learn(self, path, left, wander, least, most):
        """Scalar Kalman filter."""
        slope = np.fft.irfft((self.slope * path).sum(axis=0))[FRAME:]
        variance = self.variance + wander**2
        gain = variance / (variance * np.sum(slope**2) + np.sum(left**2) + 1e-12)
        self.value = np.clip(self.value + gain * np.sum(left * slope), least, most)
        self.variance = (1 - gain * np.sum(slope**2)) * variance


class Overdrive:
    """The curve of a loudspeaker that clips at a level, and bends."""

    def __init__(self):
        self.level, self.bend = Curve(1.0), Curve(0.0)
        self.power, self.heard = 0.0, 0

    def split(self, window):
        """Spectrum of what the curve changes in the last 320 samples."""
        power = np.mean(window[FRAME:] ** 2)
        if power >= 1e-6:
            self.heard += 1
            self.power += max(1 / self.heard, 0.002) * (power - self.power)
            if self.heard < 50:
                self.level.value = 2 * np.sqrt(self.power)
        level = self.level.value
        self.level.push(-np.sign(window) * (np.abs(window) > level))
        self.bend.push(np.abs(window))
        return np.fft.rfft(window - np.clip(window, -level, level) + self.bend.value * np.abs(window))

    def learn(self, path, left):
        if self.heard < 50:
            return
        loudness = np.sqrt(self.power)
        self.level.learn(path, left, 0.005 * self.level.value, 0.3 * loudness, 10 * loudness)
        self.bend.learn(path, left, 0.001, -0.5, 0.5)


class Canceller:
    """Two of them beside each other (Ochiai, Araseki, Ogihara 1977), the better one's output."""

    def __init__(self):
        self.filters = Kalman(3e-6, 0.0), Kalman(4e-3, 1.5)
        self.far = np.zeros((2 * PARTITIONS, BINS), complex)
        self.overdrive = Overdrive()
        self.last = np.zeros(FRAME)
        self.power = np.zeros(3)  # of deep and fast error, and of the microphone: smoothed
        self.long = np.zeros(3)  # the same over 100 ms
        self.choice = 0
        self.fast_better_db, self.deep_better = 0.0, 0
        self.lag, self.unrest = np.zeros(2), 0.0
        self.offset, self.heard = 0.0, 0

    def process(self, near, far):
        """Error, echo model and predicted residual of one frame."""
        self.far = np.roll(self.far, 1, axis=0)
        window = np.concatenate([self.last, far])
        self.far[0], self.far[PARTITIONS] = np.fft.rfft(window), self.overdrive.split(window)
        self.last = far
        sound = self.without_offset(near)
        if not np.abs(self.far).any():
            return near, np.zeros(FRAME), self.unsure()
        deep, fast = self.filters
        echoes = [deep.predict(self.far), fast.predict(self.far), np.zeros(FRAME)]
        now = np.mean((sound - np.array(echoes)) ** 2, axis=1)
        self.power, self.long = 0.8 * self.power + 0.2 * now, 0.9 * self.long + 0.1 * now
        self.settle(sound - echoes[0], echoes[1] - echoes[0])
        before, self.choice = self.choice, self.choose()
        fade = 1.0 if before == self.choice else np.arange(1, FRAME + 1) / FRAME
        echo = echoes[before] + fade * (echoes[self.choice] - echoes[before])
        model = echoes[self.choice if self.choice < 2 else 0]
        deep.update(self.far, sound - echoes[0])
        fast.update(self.far, sound - echoes[1])
        fast.update(self.far, sound - fast.predict(self.far))
        self.exchange()
        if self.choice < 2:
            self.overdrive.learn(self.filters[self.choice].path[PARTITIONS:], sound - echo)
        return near - echo, model, self.unsure()

    def without_offset(self, near):
        """The microphone less its mean so far, of the last 5,000 samples at most (exponential)."""
        sound = np.empty(FRAME)
        for i, x in enumerate(near):
            self.heard = min(self.heard + 1, 5000)
            self.offset += (x - self.offset) / self.heard
            sound[i] = x - self.offset
        return sound

    def settle(self, left, beyond):
        """What deep leaves goes along with what fast takes off beyond it: the path moves."""
        if self.power[0] > 0.25 * self.power[2]:
            self.unrest *= 0.999
        else:
            seen = np.array([np.sum(left * beyond), np.sum(beyond**2)])
            self.lag = 0.98 * self.lag + 0.02 * seen / (FRAME * self.power[0] + 1e-9)
            shared, size = self.lag
            turn = np.clip(shared / (size + 1e-6) / 0.03 - 1, -1, 2)
            turn = -1 if self.long[0] < 2e-3 * self.power[2] else turn
            self.unrest = np.clip(self.unrest + 0.01 * size / (size + 0.1) * turn, 0, 1)
        self.filters[0].wander = 3e-6 * (3e-4 / 3e-6) ** self.unrest

    def choose(self):
        deep, fast, near = self.power
        choice = 0 if self.choice == 2 else self.choice
        if choice == 0 and fast < 0.5 * deep and self.long[1] < 0.5 * self.long[0]:
            choice = 1
        elif choice == 1 and deep < 0.95 * fast:
            choice = 0
        most = near if self.choice == 2 else 1.5 * near
        return 2 if self.power[choice] > most else choice

    def exchange(self):
        """The fast filter's evidence is a cumulative sum: Page 1954."""
        deep, fast, _ = self.power
        better_db = min(10 * np.log10((deep + 1e-12) / (fast + 1e-12)), 12)
        self.fast_better_db = max(self.fast_better_db + better_db - 2, 0)
        self.deep_better = self.deep_better + 1 if deep < 0.5 * fast else 0
        if self.fast_better_db > 50:
            self.filters[0].take_over(self.filters[1])
            self.power[0], self.long[0], self.fast_better_db = fast, self.long[1], 0
        elif self.deep_better >= 40:
            self.filters[1].take_over(self.filters[0])
            self.power[1], self.long[1], self.deep_better = deep, self.long[0], 0

    def unsure(self):
        """What the filter that knows more predicts to be left of the echo."""
        deep, fast, _ = self.power
        return self.filters[1 if self.choice == 1 or fast < 0.65 * deep else 0].unsure


class Residual:
    """Power of the echo that is left: what the filter predicts, minimum ratio, regression, decay."""

    def __init__(self):
        self.error, self.echo, self.tail = np.zeros(BINS), np.zeros(BINS), np.zeros(BINS)
        self.leak = np.full(BINS, 0.1)
        self.window, self.former = np.full(BINS, 0.04), np.full(BINS, 0.04)
        self.frames = 0
        self.mean_error, self.mean_echo = np.zeros(20), np.zeros(20)
        self.covariance, self.echo_variance, self.error_variance = np.zeros(20), np.zeros(20), np.zeros(20)

    def process(self, error, echo, unsure, noise):
        self.error = 0.8 * self.error + 0.2 * error
        self.echo = 0.8 * self.echo + 0.2 * echo
        if self.echo.max() > 1e-7 * SIZE:
            self.track_minimum(noise)
        bands = np.minimum(np.arange(BINS) // 8, 19)
        share = np.maximum(self.regress(error, echo)[bands], self.leak)
        now = np.maximum(share * np.maximum(echo, self.echo), unsure)
        self.tail = np.maximum(now, 0.7 * self.tail)
        self.tail[self.tail < 1e-8] = 0
        return self.tail

    def track_minimum(self, noise):
        """Martin 2001: over two windows of 100 frames."""
        self.frames += 1
        ratio = np.maximum(self.error - noise, 0.1 * self.error) / (self.echo + 1e-7)
        least = np.minimum(self.window, ratio)
        wanted = np.minimum(2.5 * np.minimum(least, self.former), 2.0)
        self.leak = self.leak + 0.1 * (wanted - self.leak)
        self.window = least
        if self.frames == 100:
            self.frames, self.former, self.window = 0, least, ratio

    def regress(self, error, echo):
        """Valin 2007, eq. 15, in bands of 400 Hz."""
        e, y = error[:160].reshape(20, 8).sum(axis=1), echo[:160].reshape(20, 8).sum(axis=1)
        de, dy = e - self.mean_error, y - self.mean_echo
        self.mean_error += 0.04 * de
        self.mean_echo += 0.04 * dy
        self.covariance += 0.04 * (de * dy - self.covariance)
        self.echo_variance += 0.04 * (dy * dy - self.echo_variance)
        self.error_variance += 0.04 * (de * de - self.error_variance)
        covariance = np.maximum(self.covariance, 0)
        alike = np.sqrt(covariance).sum() / (
            np.sqrt(np.sqrt(self.echo_variance * self.error_variance)).sum() + 1e-30
        )
        together = np.clip((alike**2 - 0.5) / 0.3, 0, 1)
        return np.minimum(together * covariance / (self.echo_variance + 1e-12), 2.0)


class Noise:
    """Gerkmann, Hendriks 2012: speech-presence-weighted recursion; held where echo dominates."""

    def __init__(self):
        self.psd, self.habit, self.mean = np.zeros(BINS), np.zeros(BINS), np.zeros(BINS)
        self.frames = self.clean = 0

    def process(self, power, echo):
        if self.clean < 10:
            self.frames = min(10, self.frames + 1)
            self.mean += (power + 1e-9 - self.mean) / self.frames
            self.psd = self.mean.copy() if self.frames < 10 else np.minimum(self.psd, self.mean)
            self.clean += bool(echo.sum() <= 0.25 * power.sum())
            return self.psd
        snr = 10**1.5
        ratio = np.minimum(power / self.psd * snr / (1 + snr), 60)
        speech = 1 / (1 + (1 + snr) * np.exp(-ratio))
        self.habit = 0.9 * self.habit + 0.1 * speech
        speech = np.where((self.habit > 0.99) & (speech > 0.99), 0.99, speech)
        share = np.where(power > 0.1 * self.psd, echo / (power + 1e-9), 0)
        speech = np.maximum(speech, np.minimum(share, 1))
        now = speech * self.psd + (1 - speech) * power
        self.psd = 0.8 * self.psd + 0.2 * now + 1e-12
        return self.psd


class Gain:
    """Wiener gain with the decision-directed a-priori SNR (Ephraim, Malah 1984, eq. 51)."""

    def __init__(self):
        self.speech = np.zeros(BINS)

    def process(self, power, interference, floor):
        excess = np.maximum(power / (interference + 1e-12) - 1, 0)
        prior = 0.96 * self.speech / (interference + 1e-12) + 0.04 * excess
        gain = prior / (1 + prior)
        self.speech = gain**2 * power
        return np.where(interference > 0, np.maximum(gain, floor), 1.0)


class Chain:
    """Error and echo model to both outputs, by windowed overlap-add."""

    def __init__(self, suppress_echo=True, suppress_noise=True):
        self.echo_on, self.noise_on = suppress_echo, suppress_noise
        self.canceller, self.residual, self.noise = Canceller(), Residual(), Noise()
        self.echo_gain, self.full_gain = Gain(), Gain()
        self.window = np.sin(np.pi * (np.arange(SIZE) + 0.5) / SIZE)
        self.past = np.zeros((2, FRAME))
        self.tails = np.zeros((2, FRAME))
        self.quiet = 1 << 20
        self.voice = VoiceFeatures()
        self.features = np.zeros(70)

    def process(self, near, far):
        error, model, unsure = self.canceller.process(near, far)
        self.quiet = 0 if np.mean(far**2) > 1e-7 else self.quiet + 1
        now = np.stack([error, model])
        spectrum, echo = np.fft.rfft(np.concatenate([self.past, now], axis=1) * self.window)
        self.past = now
        power = np.abs(spectrum) ** 2
        sounds = self.quiet < PARTITIONS
        left = self.residual.process(power, np.abs(echo) ** 2, unsure * sounds, self.noise.psd) * self.echo_on
        noise = self.noise.process(power, left)
        self.features = self.voice.process(power, noise, left, near, error, far, sounds)
        light = self.echo_gain.process(power, left, np.full(BINS, 0.01))
        noise = noise if self.noise_on else 0 * noise
        both = 4 * left + noise
        floor = (0.01 * 4 * left + 0.1 * noise) / (both + 1e-12)
        full = self.full_gain.process(power, both, floor)
        outs = []
        around = np.ones(17)
        heard = np.convolve(left, around, "same") / (np.convolve(power, around, "same") + 1e-12)
        share = 0.35 * np.minimum(2 * heard, 1)
        for gain, tail in zip((1 - share * (1 - light), full), self.tails, strict=True):
            frame = np.fft.irfft(spectrum * gain) * self.window
            outs.append(tail + frame[:FRAME])
            tail[:] = frame[FRAME:]
        return outs


@pytest.fixture(scope="module")
def scene():
    """Five seconds: echo, a talker over it, a changed path, a silent far end."""
    rng = np.random.default_rng(11)
    n = 5 * RATE
    far = 0.1 * rng.standard_normal(n) * np.repeat(rng.random(n // 800) ** 2, 800)
    far[int(4.5 * RATE) :] = 0
    one, other = rng.standard_normal((2, 700)) * np.exp(-np.arange(700) / 120) * 0.1
    mic = np.convolve(far, one)[:n]
    mic[3 * RATE :] = np.convolve(far, other)[3 * RATE : n]
    mic[2 * RATE : 3 * RATE] += 0.05 * rng.standard_normal(RATE) * np.sin(np.arange(RATE) / 900)
    mic += 1e-3 * rng.standard_normal(n)
    return mic.astype(np.float32), far.astype(np.float32)


def frames(signal):
    return np.asarray(signal, np.float64).reshape(-1, FRAME)


def below_db(got, wanted):
    """How far the difference lies below the wanted signal."""
    return 10 * np.log10(np.mean((got - wanted) ** 2) / np.mean(wanted**2))


def test_canceller(scene):
    mic, far = scene
    chain = FrontEnd(FrontEndSettings(linear_only=True, **PLAIN))
    got = chain.process(mic, far).asr
    reference = Canceller()
    wanted = [reference.process(m, f)[0] for m, f in zip(frames(mic), frames(far), strict=True)]
    assert below_db(got, np.concatenate(wanted)) < -100


def test_whole_chain(scene):
    mic, far = scene
    out = FrontEnd(FrontEndSettings(**PLAIN)).process(mic, far)
    reference = Chain()
    wanted = [reference.process(m, f) for m, f in zip(frames(mic), frames(far), strict=True)]
    asr, vad = (np.concatenate(channel) for channel in zip(*wanted, strict=True))
    assert below_db(out.asr, asr) < -100
    assert below_db(out.vad, vad) < -100


def test_what_the_voice_activity_network_sees(scene):
    mic, far = scene
    got = FrontEnd(FrontEndSettings(**PLAIN)).voice_features(mic, far)
    reference, wanted = Chain(), []
    for m, f in zip(frames(mic), frames(far), strict=True):
        reference.process(m, f)
        wanted.append(reference.features)
    np.testing.assert_allclose(got, wanted, atol=0.01)


def test_voice_activity_network(scene):
    mic, far = scene
    features = FrontEnd().voice_features(mic, far)
    network = VoiceNetwork()
    wanted = [network.process(row) for row in features.astype(np.float64)]
    got = FrontEnd().process(mic, far).speech
    np.testing.assert_allclose(got, wanted, atol=1e-3)
    assert np.ptp(wanted) > 0.2


def test_noise_suppressor(scene):
    mic, _ = scene
    got = NoiseSuppressor().process(mic)
    reference = Chain(suppress_echo=False)
    nothing = np.zeros(FRAME)
    wanted = np.concatenate([reference.process(m, nothing)[1] for m in frames(mic)])
    assert below_db(got, wanted) < -100


def test_the_reference_cancels(scene):
    """The oracle is no straw man: it takes the echo away itself."""
    mic, far = scene
    reference = Canceller()
    left = [reference.process(m, f)[0] for m, f in zip(frames(mic), frames(far), strict=True)]
    second = slice(1 * 100, 2 * 100)
    assert np.mean(frames(mic)[second] ** 2) > 200 * np.mean(np.array(left[second]) ** 2)


@pytest.mark.parametrize("level", [0.3, -2.0, 1e-6])
def test_bypass_is_linear_bit_for_bit(scene, level):
    """With nothing to cancel, the canceller passes sums and multiples through as they are."""
    mic, _ = scene
    other = np.roll(mic, 777)
    level = np.float32(level)

    def through(x):
        return EchoCanceller(linear_only=True).process(x, np.zeros_like(x))

    np.testing.assert_array_equal(through(mic + level * other), through(mic) + level * through(other))
