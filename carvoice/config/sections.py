"""Every setting of ``carvoice.toml``, its default and its meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Position = tuple[float, float, float]


class Section(BaseModel):
    """A table of the file: unknown keys are errors, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class AudioConfig(Section):
    """Microphone, loudspeaker and the front end between them."""

    input: str = Field(
        "default", description="Microphone: 'default', 'none', or part of a name from `carvoice devices`."
    )
    output: str = Field(
        "default", description="Loudspeaker: 'default', 'none', or part of a name from `carvoice devices`."
    )
    block_ms: int = Field(
        20, ge=10, le=200, multiple_of=10, description="Length of a block from the microphone."
    )
    loopback: str = Field(
        "",
        description="Monitor input that hears all that is played, music of others too, as the echo reference:"
        " part of a name from `carvoice devices`; '' for what carvoice itself plays.",
    )
    microphone_positions_m: tuple[Position, ...] = Field(
        (),
        max_length=4,
        description="Where two to four microphones are, [x, y, z] each: metres backwards from the windscreen,"
        " to the right, upwards. They form a beam and tell who talks. Empty: one microphone.",
    )
    zone_positions_m: tuple[Position, ...] = Field(
        (),
        max_length=4,
        description="Where the mouths are, in the same metres: driver, passenger, rear left, rear right."
        " Empty: a left-hand drive of usual size.",
    )
    echo_cancellation: bool = Field(True, description="Cancel the loudspeaker's echo.")
    noise_suppression: bool = Field(True, description="Suppress cabin noise for the voice-activity decision.")

    @field_validator("microphone_positions_m")
    @classmethod
    def _not_one(cls, places: tuple[Position, ...]) -> tuple[Position, ...]:
        if len(places) == 1:
            raise ValueError("give two to four positions: one microphone has no use for its own")
        return places


class LanguageConfig(Section):
    """What can be said."""

    code: str = Field("en", pattern="^[a-z]{2}$", description="Folder under grammars/ to load.")
    shipped: bool = Field(True, description="Load that grammar; false for your own grammars alone.")
    grammars: tuple[Path, ...] = Field((), description="Further grammar files or folders (HassIL YAML).")
    lists: dict[str, Path] = Field(
        {},
        description="Lists of names read from files, in place of the grammar's own:"
        " {contact = 'contacts.vcf', radio_station = 'stations.csv'};"
        " .vcf, .csv, .json, or text with a name a line.",
    )


class AsrConfig(Section):
    """Speech recognition."""

    model: str = Field("asr-en", description="Embedded model: a registry name or a folder.")
    open_model: str = Field(
        "", description="Free-text model beside it, for questions: an installed one or a folder; '' for none."
    )
    threads: int = Field(1, ge=1, le=8, description="Threads of the recognizer.")
    wake_phrase: str = Field("", description="Phrase that starts listening; '' means always listening.")
    wake_threshold: float = Field(
        -1.3,
        ge=-5,
        le=0,
        description="Score from which it counts as heard; nearer to 0 gives fewer false alarms and more"
        " misses, see bench/results/asr-wake.md.",
    )
    endpoint_complete_ms: int = Field(
        200, ge=50, le=2000, description="Silence that ends a complete command."
    )
    endpoint_incomplete_ms: int = Field(500, ge=100, le=5000, description="Silence that ends anything else.")


class NluConfig(Section):
    """Understanding."""

    min_confidence: float = Field(0.6, ge=0, le=1, description="Below it a command is rejected.")
    sure_confidence: float = Field(0.85, ge=0, le=1, description="Below it a command is asked back first.")


class VehicleConfig(Section):
    """The car, and its bus or databroker."""

    car: str = Field("demo", description="Car: 'demo', or path of a car file (.toml).")
    target: Literal["can", "kuksa"] = Field(
        "can", description="Where actions go: frames on a CAN bus, or calls of a KUKSA databroker."
    )
    interface: str = Field(
        "virtual", description="python-can interface: socketcan, udp_multicast, vector, ..."
    )
    channel: str = Field("carvoice", description="Channel of that interface, e.g. can0.")
    options: dict[str, Any] = Field(
        default_factory=dict, description="Further options passed to python-can, e.g. {bitrate = 500000}."
    )
    broker: str = Field("", description="Databroker, HOST:PORT; '' for a stand-in in this process.")
    broker_token: Path | None = Field(None, description="File with the JSON web token it asks for.")
    broker_certificate: Path | None = Field(
        None, description="PEM file of the authority that signed its certificate; none: no TLS."
    )
    broker_name: str = Field("", description="Name in that certificate, if it is not the host's.")
    bus_log: Path | None = Field(
        None, description="Log every frame here: candump .log, .asc, .blf or .mf4 by its name; none: no log."
    )
    simulate: Literal["auto", "yes", "no"] = Field(
        "auto",
        description="Run the simulated car in this process; 'auto': on virtual, carvoice_sim or no broker.",
    )
    scenario: str = Field("", description="Scenario file of the simulated car.")
    status_timeout_ms: int = Field(
        1000, ge=10, le=10000, description="How long to wait for the car's answer."
    )


class DialogueConfig(Section):
    """The conversation."""

    confirm_timeout_s: float = Field(8.0, gt=0, description="How long a yes or no is waited for.")
    follow_up_s: float = Field(
        6.0, ge=0, description="Listening goes on this long after a reply, without wake phrase."
    )
    announce_rejected: bool = Field(
        True, description="Say so when something was not understood after an activation; talk is let be."
    )
    push_to_talk: bool = Field(
        False, description="Listen after the talk button only, and in the follow-up window."
    )
    talk_signal: str = Field(
        "Vehicle.Chassis.SteeringWheel.TalkButton",
        description="VSS path of the talk button; ignored by cars that have none.",
    )
    talk_key: str = Field(
        "", description="Key as talk button, e.g. '/dev/input/event3' or '/dev/input/event3:582'."
    )


class TtsConfig(Section):
    """Speech synthesis."""

    voice: str = Field("espeak", description="'espeak', 'none', or folder of a sherpa-onnx voice.")
    speaker: int = Field(0, ge=0, description="Speaker of a sherpa-onnx voice that has several.")
    volume: float = Field(0.8, ge=0, le=1, description="Loudness of replies.")
    rate_wpm: int = Field(170, ge=80, le=400, description="Words per minute (espeak).")


class RemoteConfig(Section):
    """An OpenAI-compatible endpoint."""

    name: str = Field(min_length=1, description="Name for logs.")
    base_url: str = Field(pattern="^https?://[^/]", description="Base URL, mostly ending in /v1.")
    model: str = Field(min_length=1, description="Model name there.")
    group: str = Field("remotes", description="Remotes of a group stand in for each other; see fallbacks.")
    api_key_env: str = Field("", description="Environment variable that holds the key.")
    tags: tuple[str, ...] = Field((), description="What it can do; 'tools': it may propose actions.")
    input_cost_per_token: float = Field(0.0, ge=0, description="US dollars, for the log.")
    output_cost_per_token: float = Field(0.0, ge=0, description="US dollars, for the log.")


class LlmConfig(Section):
    """Answers to open-ended questions; each tier is optional."""

    manual: Path | None = Field(None, description="Folder of Markdown: the owner's manual.")
    car_facts: dict[str, str] = Field(
        default_factory=dict, description="What never changes, told to models, e.g. {make = 'Demo'}."
    )
    cache: bool = Field(True, description="Keep answers that depend on neither car nor time.")
    cache_file: Path | None = Field(
        None, description="SQLite file of kept answers (words of the driver); none keeps them in memory."
    )
    embedding_model: str = Field(
        "",
        description="GGUF path, registry name, or name of a remote that only embeds: "
        "finds kept answers to the same question in other words.",
    )
    model: str = Field("", description="GGUF path or registry name; '' looks in the models folder.")
    threads: int = Field(
        2, ge=1, le=16, description="Threads of the local model for prompts; half of them generate."
    )
    context_tokens: int = Field(2048, ge=512, le=32768, description="Context of the local model.")
    local_tools: tuple[str, ...] = Field(
        (), description="Intents the local model may propose; each makes its prompt longer."
    )
    max_tokens: int = Field(120, ge=1, le=2048, description="Longest answer.")
    first_token_timeout_s: float = Field(
        4.0, gt=0, description="Give up on a tier that has said nothing by then."
    )
    total_timeout_s: float = Field(20.0, gt=0, description="Longest time an answer may take.")
    routing: Literal["latency-based-routing", "least-busy", "fallbacks"] = Field(
        "latency-based-routing", description="How a remote of a group is chosen."
    )
    fallbacks: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Groups asked after a group, e.g. {fast = ['big']}."
    )
    required_tags: tuple[str, ...] = Field((), description="Only remotes with all of these are asked.")
    allowed_fails: int = Field(1, ge=0, description="Failures within a minute before a remote rests.")
    cooldown_s: float = Field(15.0, gt=0, description="How long it rests, doubled while it goes on failing.")
    remotes: tuple[RemoteConfig, ...] = Field((), description="Remote endpoints, in order of preference.")


class LogConfig(Section):
    """The turn log."""

    folder: Path | None = Field(None, description="Where turns are logged; none means no log.")
    transcripts: bool = Field(True, description="Keep what was said; false keeps timings only.")
    keep_audio: bool = Field(
        False, description="Keep the sound of turns, microphone and far end; never without transcripts."
    )
    audio_max_mb: float = Field(200.0, gt=0, description="Of kept sound; the oldest turns are deleted first.")
    prometheus_port: int = Field(0, ge=0, le=65535, description="Serve /metrics on this local port; 0: no.")
    otlp_endpoint: str = Field(
        "", description="OTLP/HTTP collector, like http://localhost:4318; empty for none."
    )
    alert_p95_ms: float = Field(600.0, gt=0, description="Warn when commands take longer to the frame.")
    alert_ttft_p95_ms: float = Field(2500.0, gt=0, description="Warn when answers begin later than this.")
    alert_error_rate: float = Field(0.1, ge=0, le=1, description="Warn when more turns fail than this share.")
    alert_spoken: bool = Field(False, description="Tell the driver of these, when nobody is speaking.")
    alert_path: str = Field(
        "", description="Path of the car set true while one stands, like a lamp; empty for none."
    )
    quality_share: float = Field(
        0.01, ge=0, le=1, description="Share of answers scored by a model; 0, or no transcripts, for none."
    )
    quality_model: str = Field(
        "", description="Name of the remote that scores, or GGUF; empty for the remotes that answer."
    )


class ServeConfig(Section):
    """The API of `carvoice serve`."""

    socket: str = Field(
        "auto", description="Unix socket; 'auto' is carvoice.sock in the user's runtime folder, '' is none."
    )
    port: int = Field(0, ge=0, le=65535, description="TCP port beside the socket; 0 for none.")
    host: str = Field("127.0.0.1", description="Address of the port; any but loopback needs a token.")
    token_env: str = Field(
        "", description="Environment variable with the token that the port asks for; '' for none."
    )


class Config(Section):
    """All of ``carvoice.toml``."""

    audio: AudioConfig = AudioConfig()
    language: LanguageConfig = LanguageConfig()
    asr: AsrConfig = AsrConfig()
    nlu: NluConfig = NluConfig()
    vehicle: VehicleConfig = VehicleConfig()
    dialogue: DialogueConfig = DialogueConfig()
    tts: TtsConfig = TtsConfig()
    llm: LlmConfig = LlmConfig()
    log: LogConfig = LogConfig()
    serve: ServeConfig = ServeConfig()
