import numpy as np
import pytest
import soundfile

from carvoice.audio.devices import NullSink, NullSource, Sink, Source, WavSink, WavSource, read_wav, write_wav
from carvoice.errors import AudioError, AudioFormatError, ConfigError

RATE = 16_000


def tone(rate=RATE, seconds=0.5, hz=440.0):
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate)


def test_round_trip(tmp_path):
    path = tmp_path / "a.wav"
    write_wav(path, tone().astype(np.float32))
    np.testing.assert_allclose(read_wav(path), tone(), atol=1 / 32000)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_other_rates_are_resampled(tmp_path, rate):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(rate), rate)
    x = read_wav(path)
    assert x.dtype == np.float32
    assert abs(len(x) - RATE // 2) <= 1
    np.testing.assert_allclose(x[800:7000], tone()[800:7000], atol=2e-3)


def test_stereo_becomes_mono_unless_channels_are_kept(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([tone(), -tone()], axis=1), RATE)
    np.testing.assert_allclose(read_wav(path), 0, atol=1e-4)
    assert read_wav(path, keep_channels=True).shape == (2, RATE // 2)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
def test_every_sample_format(tmp_path, subtype):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(), RATE, subtype=subtype)
    np.testing.assert_allclose(read_wav(path), tone(), atol=0.03)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(AudioError, match=r"nowhere\.wav: no such file"):
        read_wav(tmp_path / "nowhere.wav")


def test_folder_is_named(tmp_path):
    with pytest.raises(AudioError, match="is a folder"):
        read_wav(tmp_path)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not sound at all" * 10, b"RIFF\0\0\0\0WAVEfmt "])
def test_corrupt_file_is_named(tmp_path, content):
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=r"bad\.wav: cannot be read"):
        read_wav(path)


def test_empty_and_not_a_number(tmp_path):
    path = tmp_path / "empty.wav"
    soundfile.write(path, np.zeros(0), RATE)
    with pytest.raises(AudioFormatError, match=r"empty\.wav: has no samples"):
        read_wav(path)
    path = tmp_path / "nan.wav"
    samples = np.zeros(100, np.float32)
    samples[7] = np.nan
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    with pytest.raises(AudioFormatError, match=r"nan\.wav: sample 7 "):
        read_wav(path)


def test_source_gives_whole_blocks_with_the_far_end(tmp_path):
    write_wav(tmp_path / "near.wav", tone(seconds=0.105).astype(np.float32))
    write_wav(tmp_path / "far.wav", tone(seconds=0.05).astype(np.float32))
    with WavSource(tmp_path / "near.wav", tmp_path / "far.wav", block_ms=20) as source:
        blocks = list(iter(source.read, None))
    assert [block.start_s for block in blocks] == pytest.approx([0.02 * i for i in range(6)])
    assert all(len(block.near) == len(block.far) == 320 for block in blocks)
    assert not blocks[5].far.any()
    assert not blocks[5].near[160:].any()


def test_source_ends_when_closed(tmp_path):
    write_wav(tmp_path / "a.wav", tone().astype(np.float32))
    source = WavSource(tmp_path / "a.wav")
    assert source.read() is not None
    source.close()
    assert source.read() is None


def test_sink_writes_what_it_got(tmp_path):
    path = tmp_path / "out.wav"
    with WavSink(path) as sink:
        sink.write(tone()[:100].astype(np.float32))
        sink.write(np.array([2.0, -2.0], np.float32))
    x = read_wav(path)
    assert len(x) == 102
    assert x[-2:].tolist() == pytest.approx([1, -1], abs=1e-4)
    with pytest.raises(AudioError, match="closed"):
        sink.write(x)
    with pytest.raises(AudioError, match="cannot be written"):
        WavSink(tmp_path / "no" / "folder.wav")


def test_null_devices():
    with NullSource(seconds=0.025) as source:
        blocks = list(iter(source.read, None))
    assert len(blocks) == 3
    assert not blocks[0].near.any()
    sink = NullSink()
    sink.write(np.zeros(160, np.float32))
    assert sink.samples == 160
    assert isinstance(source, Source)
    assert isinstance(sink, Sink)


@pytest.mark.parametrize("block_ms", [0, -10, 15])
def test_odd_blocks_are_refused(block_ms):
    with pytest.raises(ConfigError, match="multiple of 10 ms"):
        NullSource(block_ms=block_ms)
