"""carvoice.toml: defaults, file, environment, command line, and errors that name the place."""

from pathlib import Path

import pytest

from carvoice.config import Config, dump_config, load_config
from carvoice.errors import ConfigError


@pytest.fixture
def write(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "carvoice.toml"
        path.write_text(text)
        return path

    return write


def test_defaults_need_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_config(environ={}) == Config()


def test_file_in_working_folder_is_found(write, monkeypatch):
    path = write("[asr]\nthreads = 3\n")
    monkeypatch.chdir(path.parent)
    assert load_config(environ={}).asr.threads == 3


def test_later_sources_win(write):
    path = write("[vehicle]\nchannel = 'a'\ninterface = 'socketcan'\n[asr]\nthreads = 2\n")
    config = load_config(
        path,
        environ={"CARVOICE_VEHICLE__CHANNEL": "b", "CARVOICE_ASR__THREADS": "4", "CARVOICE_SHARED": "/x"},
        overrides={"vehicle.channel": "c"},
    )
    assert (config.vehicle.channel, config.vehicle.interface, config.asr.threads) == ("c", "socketcan", 4)


def test_dump_reads_back(write):
    config = load_config(
        write(
            "[vehicle.options]\nbitrate = 500000\n[llm]\nmanual = 'docs'\n"
            "[[llm.remotes]]\nname = 'r'\nbase_url = 'http://127.0.0.1/v1'\nmodel = 'm'\n"
        ),
        environ={},
    )
    assert load_config(write(dump_config(config)), environ={}) == config


def test_every_key_is_documented():
    for section in Config.model_fields.values():
        for name, field in section.annotation.model_fields.items():
            assert field.description, name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[asr]\n\nthreads = 99\n", r"carvoice.toml:3: asr.threads = 99"),
        ("[asr]\nthread = 1\n", r"carvoice.toml:2: unknown key 'asr.thread'"),
        ("[nope]\nx = 1\n", r"carvoice.toml:1: unknown key 'nope'"),
        ("[asr]\nthreads = \n", r"carvoice.toml:2: not valid TOML"),
        ("asr = 3\n", r"carvoice.toml:1: asr = 3"),
        ("[[llm.remotes]]\nname = 'r'\nmodel = 'm'\n", r"llm.remotes.0.base_url"),
    ],
)
def test_errors_name_file_line_and_key(write, text, message):
    with pytest.raises(ConfigError, match=message):
        load_config(write(text), environ={})


def test_error_in_environment_names_the_variable():
    with pytest.raises(
        ConfigError, match=r"environment variable CARVOICE_ASR__THREADS: asr.threads = 'many'"
    ):
        load_config(environ={"CARVOICE_ASR__THREADS": "many"})


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "absent.toml", environ={})
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(tmp_path / "binary.toml", environ={})
