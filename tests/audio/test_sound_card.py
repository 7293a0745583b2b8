"""Microphone, loudspeaker and loopback on a sound card that is not there: PyAudio played by a fake."""

import sys
import types

import numpy as np
import pytest

from carvoice.audio.devices import (
    LoopbackTap,
    MicrophoneSource,
    SpeakerSink,
    list_devices,
    microphone,
    speaker,
)
from carvoice.errors import AudioError

TONE_HZ = 400


class FakeStream:
    """A stream whose callback the test calls in the sound card's place."""

    def __init__(self, card, how):
        self.card, self.how, self.closed = card, how, False

    def close(self):
        self.closed = True
        if not self.card.plugged:
            raise OSError("Unanticipated host error")


class FakeCard:
    """A PyAudio module with one microphone, one monitor and one loudspeaker."""

    paFloat32, paContinue = 1, 0

    def __init__(self, rates_hz=(16_000,), channels=2):
        self.rates_hz, self.plugged, self.streams, self.hosts = rates_hz, True, [], 0
        self.heard_at_once = np.zeros(0, np.float32)  # what a stream hears as soon as it is open
        self.devices = [
            {"index": 0, "name": "Mic Array", "maxInputChannels": channels, "maxOutputChannels": 0},
            {"index": 1, "name": "Monitor of Amp", "maxInputChannels": 1, "maxOutputChannels": 0},
            {"index": 2, "name": "Amp", "maxInputChannels": 0, "maxOutputChannels": 2},
        ]
        for device in self.devices:
            device["defaultSampleRate"] = float(rates_hz[0])
        card = self

        class PyAudio:
            def __init__(self):
                card.hosts += 1

            def get_device_count(self):
                return len(card.devices) if card.plugged else 0

            def get_device_info_by_index(self, index):
                return card.devices[index]

            def get_default_input_device_info(self):
                if not card.plugged:
                    raise OSError("No Default Input Device Available")
                return card.devices[0]

            def get_default_output_device_info(self):
                if not card.plugged:
                    raise OSError("No Default Output Device Available")
                return card.devices[2]

            def is_format_supported(self, rate, **how):
                if rate not in card.rates_hz:
                    raise ValueError("Invalid sample rate")
                return True

            def open(self, **how):
                assert how["rate"] in card.rates_hz
                card.streams.append(FakeStream(card, how))
                card.feed(card.heard_at_once)
                return card.streams[-1]

            def terminate(self):
                card.hosts -= 1

        self.PyAudio = PyAudio

    def feed(self, samples, status=0, stream=-1):
        """The microphone heard this: (n,) or (n, channels)."""
        callback = self.streams[stream].how["stream_callback"]
        for at in range(0, len(samples), 160):
            part = np.ascontiguousarray(samples[at : at + 160], np.float32)
            assert callback(part.tobytes(), len(part), {}, status) == (None, self.paContinue)

    def play(self, count, status=0, stream=-1):
        """The loudspeaker needs this many samples; returns them."""
        data, flag = self.streams[stream].how["stream_callback"](None, count, {}, status)
        assert flag == self.paContinue
        return np.frombuffer(data, np.float32)


class Clock:
    """Time that passes when told to."""

    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def plug(monkeypatch):
    """Put a fake card in PyAudio's place; nothing waits."""
    for module in (microphone, speaker):
        monkeypatch.setattr(module, "LOOK_S", 1e-3)

    def put(**how):
        card = FakeCard(**how)
        module = types.SimpleNamespace(
            PyAudio=card.PyAudio, paFloat32=card.paFloat32, paContinue=card.paContinue
        )
        monkeypatch.setitem(sys.modules, "pyaudio", module)
        return card

    return put


def tone(count, rate=16_000):
    return (0.5 * np.sin(2 * np.pi * TONE_HZ * np.arange(count) / rate)).astype(np.float32)


def test_devices_are_listed_and_the_host_let_go(plug):
    card = plug()
    assert list_devices() == [(0, "Mic Array", 2, 0), (1, "Monitor of Amp", 1, 0), (2, "Amp", 0, 2)]
    assert card.hosts == 0


def test_microphone_gives_blocks_with_stream_time(plug):
    card = plug()
    with MicrophoneSource(block_ms=20) as source:
        card.feed(tone(640))
        blocks = [source.read(), source.read()]
    np.testing.assert_array_equal(np.concatenate([block.near for block in blocks]), tone(640))
    assert [block.start_s for block in blocks] == [0.0, 0.02]
    assert source.read() is None
    assert card.hosts == 0
    assert card.streams[0].closed


def test_several_microphones_come_as_rows(plug):
    card = plug()
    frames = np.stack([tone(160), -tone(160)], axis=1)
    with MicrophoneSource("array", channels=2) as source:
        card.feed(frames)
        np.testing.assert_array_equal(source.read().near, frames.T)


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_other_rates_are_resampled(plug, rate):
    card = plug(rates_hz=(rate,))
    with MicrophoneSource() as source:
        card.feed(tone(rate, rate))
        heard = np.concatenate([source.read().near for _ in range(80)])
    assert card.streams[0].how["rate"] == rate
    spectrum = np.abs(np.fft.rfft(heard[4000:12000] * np.hanning(8000)))
    assert np.argmax(spectrum) * 2 == TONE_HZ
    assert np.abs(heard[4000:12000]).max() == pytest.approx(0.5, abs=0.01)


def test_xruns_are_counted(plug):
    card = plug()
    with MicrophoneSource() as source, SpeakerSink() as sink:
        card.feed(tone(320), status=2, stream=0)
        assert source.xruns == 2
        card.feed(np.zeros(3 * 16_000), stream=0)  # nobody reads: the ring is full after two seconds
        assert source.xruns > 2
        card.play(160, status=4)
        assert sink.xruns == 1


def test_microphone_pulled_out_gives_silence_until_it_is_back(plug):
    card, clock = plug(), Clock()
    with MicrophoneSource(clock=clock) as source:
        card.feed(tone(160))
        assert source.read().near.any()
        card.plugged = False
        clock.now_s += 1.5
        for _ in range(5):
            assert not source.read().near.any()
        assert source.losses == 1
        assert len(card.streams) == 1
        card.plugged, card.heard_at_once = True, tone(1600)
        clock.now_s += 2.0
        heard = np.concatenate([source.read().near for _ in range(8)])
        assert np.abs(heard).max() == pytest.approx(0.5, abs=0.01)
        assert (source.losses, len(card.streams)) == (1, 2)
    assert card.hosts == 0


def test_loudspeaker_gives_what_it_played_as_the_far_end(plug):
    card = plug()
    with SpeakerSink() as sink, MicrophoneSource(far=sink) as source:
        sink.write(tone(480))
        assert not sink.take(160).any()  # queued, not played
        played = np.concatenate([card.play(160, stream=0) for _ in range(4)])
        np.testing.assert_array_equal(played[:480], tone(480))
        assert not played[480:].any()
        card.feed(np.zeros(320), stream=1)
        far = np.concatenate([source.read().far, source.read().far])
        np.testing.assert_array_equal(far, tone(480)[:320])


def test_loudspeaker_resamples_both_ways(plug):
    card = plug(rates_hz=(48_000,))
    with SpeakerSink(buffer_ms=2000) as sink:
        sink.write(tone(16_000))
        played = np.concatenate([card.play(480) for _ in range(60)])
        assert np.abs(played[12_000:24_000]).max() == pytest.approx(0.5, abs=0.01)
        far = sink.take(8_000)
    spectrum = np.abs(np.fft.rfft(far * np.hanning(8000)))
    assert np.argmax(spectrum) * 2 == TONE_HZ


def test_cancel_throws_away_what_is_queued(plug):
    card = plug()
    with SpeakerSink() as sink:
        sink.write(tone(480))
        sink.cancel()
        assert not card.play(480).any()
        sink.write(tone(160))
        assert card.play(160).any()


def test_a_late_reader_catches_up(plug):
    card = plug()
    with SpeakerSink(buffer_ms=2000) as sink:
        sink.write(tone(24_000))
        for _ in range(150):
            card.play(160)
        sink.take(160)
        np.testing.assert_array_equal(sink.take(160), tone(24_000)[16_000:16_160])


def test_loudspeaker_pulled_out_does_not_hold_its_writer(plug):
    card, clock = plug(), Clock()
    with SpeakerSink(buffer_ms=20, clock=clock) as sink:
        card.plugged = False
        clock.now_s += 1.5
        sink.write(tone(3200))  # returns, heard by nobody
        assert sink.losses == 1
        assert not sink.take(160).any()
        card.plugged = True
        clock.now_s += 1.5
        sink.write(tone(400))
        assert len(card.streams) == 2
        assert card.play(160).any()
    with pytest.raises(AudioError, match="closed"):
        sink.write(tone(800))


def test_loopback_hears_what_others_play(plug):
    card, clock = plug(), Clock()
    with LoopbackTap("monitor", clock=clock) as tap:
        card.feed(tone(480))
        np.testing.assert_array_equal(tap.take(320), tone(480)[:320])
        late = tap.take(320)
        np.testing.assert_array_equal(late[:160], tone(480)[320:])
        assert not late[160:].any()
        clock.now_s += 5  # pulled out and put back
        tap.take(160)
        card.feed(tone(160))
        np.testing.assert_array_equal(tap.take(160), tone(160))
        assert len(card.streams) == 2


def test_wrong_devices_are_named(plug, monkeypatch):
    card = plug(channels=1)
    with pytest.raises(
        AudioError, match=r"no input device 'beamer'; there are: 0: Mic Array, 1: Monitor of Amp"
    ):
        MicrophoneSource("beamer")
    with pytest.raises(AudioError, match=r"'Mic Array' has 1 channels, not 4"):
        MicrophoneSource(0, channels=4)
    with pytest.raises(AudioError, match=r"no output device 0; there are: 2: Amp"):
        SpeakerSink(0)
    card.plugged = False
    with pytest.raises(AudioError, match="no default input device; there are: none"):
        MicrophoneSource()
    with pytest.raises(AudioError, match="no default output device"):
        SpeakerSink()
    assert card.hosts == 0
    monkeypatch.setitem(sys.modules, "pyaudio", None)
    with pytest.raises(AudioError, match=r"pip install 'carvoice\[mic\]'"):
        MicrophoneSource()
