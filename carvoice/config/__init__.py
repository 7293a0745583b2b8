"""``carvoice.toml``: every setting, its default and its meaning.

None is needed. Settings come, later ones winning, from the defaults, the file, environment
variables (``CARVOICE_ASR__THREADS=2`` sets ``threads`` in ``[asr]``) and the command line.
"""

from carvoice.config.files import dump_config, load_config, parse_value
from carvoice.config.sections import (
    AsrConfig,
    AudioConfig,
    Config,
    DialogueConfig,
    LanguageConfig,
    LlmConfig,
    LogConfig,
    NluConfig,
    RemoteConfig,
    ServeConfig,
    TtsConfig,
    VehicleConfig,
)

__all__ = [
    "AsrConfig",
    "AudioConfig",
    "Config",
    "DialogueConfig",
    "LanguageConfig",
    "LlmConfig",
    "LogConfig",
    "NluConfig",
    "RemoteConfig",
    "ServeConfig",
    "TtsConfig",
    "VehicleConfig",
    "dump_config",
    "load_config",
    "parse_value",
]
