from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from chat_server import (
    Behaviour,
    ChatServer,
    calls,
    captive_portal,
    cut_after,
    ends_without_finish,
    hangs,
    raw_stream,
    says,
    silent,
    status,
)

from carvoice.errors import ConfigError
from carvoice.llm import AnswerContext, IntentTool, TieredAnswerer
from carvoice.llm.prompt import CONTINUE
from carvoice.llm.remote import Deployment, Limits
from carvoice.llm.router import Router, RouterSettings

PATIENT = Limits(
    connect_s=10.0, first_token_s=30.0, stall_s=30.0, total_s=60.0
)  # a busy machine is no failure
IMPATIENT = Limits(
    connect_s=10.0, first_token_s=1.0, stall_s=1.0, total_s=60.0
)  # where the limit is waited for
TOOL = IntentTool(
    "OpenTrunk",
    "Open the trunk.",
    {"type": "object", "properties": {"side": {"type": "string", "enum": ["rear"]}}},
)


@pytest.fixture
def serve() -> Iterator:
    servers: list[ChatServer] = []

    def start(behaviour: Behaviour) -> ChatServer:
        servers.append(ChatServer(behaviour))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def deployment(server: ChatServer | str, group: str = "talk", **fields) -> Deployment:
    url = server if isinstance(server, str) else server.base_url
    return Deployment(model_name=group, model=f"m{url.rsplit(':')[-1][:5]}", base_url=url, **fields)


def router(*servers: ChatServer | str | Deployment, **settings) -> Router:
    deployments = [s if isinstance(s, Deployment) else deployment(s) for s in servers]
    return Router(deployments, "You are a car.", RouterSettings(**{"limits": PATIENT, **settings}))


def ask(tier: Router, context: AnswerContext | None = None):
    stream = TieredAnswerer([tier]).answer("what is rain", context)
    return list(stream), stream.record, stream


def test_an_answer_with_its_costs(serve) -> None:
    server = serve(says("Rain is ", "water. ", "It is wet."))
    tier = router(deployment(server, input_cost_per_token=1e-6, output_cost_per_token=2e-6))
    sentences, record, _ = ask(tier)
    assert sentences == ["Rain is water.", "It is wet."]
    assert (record.outcome, record.tier, record.prompt_tokens, record.tokens) == ("answered", "remote", 12, 3)
    assert record.cost_usd == pytest.approx(12e-6 + 6e-6)
    request = server.requests[0]
    assert request["messages"] == [
        {"role": "system", "content": "You are a car."},
        {"role": "user", "content": "what is rain"},
    ]
    assert request["max_tokens"] == PATIENT.max_tokens
    assert "tools" not in request


def test_an_answer_at_its_token_limit_ends_with_a_whole_sentence(serve) -> None:
    def runs_out(handler, body) -> None:
        handler.start_stream()
        handler.event({"content": "Rain is water. It fal"})
        handler.event({}, "length")
        handler.end_stream()

    sentences, record, _ = ask(router(serve(runs_out)))
    assert sentences == ["Rain is water."]
    assert (record.outcome, record.fallbacks) == ("answered", ())


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/v1"


BAD: dict[str, tuple[Behaviour, str]] = {
    "5xx": (status(503), "status 503"),
    "429": (status(429, retry_after="7"), "429"),
    "wrong key": (status(401), "check api_key"),
    "bad request": (status(400), "status 400"),
    "cut at once": (cut_after(), "the answer was cut"),
    "captive portal": (captive_portal, "captive portal"),
    "broken JSON": (raw_stream("data: {nonsense\n\n"), "no chat completion: JSON"),
    "JSON of another kind": (raw_stream('data: {"choices": "yes"}\n\ndata: [DONE]\n\n'), ""),
    "an error in the stream": (
        raw_stream('data: {"error": {"message": "out of memory"}}\n\n'),
        "out of memory",
    ),
    "empty answer": (says(), "empty"),
    "rubbish": (says("\x00\x01\ufffd\ufffd"), "rubbish"),
    "markup": (says("<html><body>Bad gateway</body></html>"), "rubbish"),
    "silent": (silent, "no token within"),
    "only comments": (hangs(), "no token within"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_deployment_is_passed_over(serve, case: str) -> None:
    behaviour, reason = BAD[case]
    sentences, record, _ = ask(
        router(
            deployment(serve(behaviour)),
            deployment(serve(says("Water.")), "spare"),
            fallbacks={"talk": ("spare",)},
            limits=IMPATIENT if "no token" in reason else PATIENT,
        )
    )
    assert sentences == ["Water."]
    assert record.outcome == "answered"
    assert len(record.fallbacks) == 1
    assert reason in record.fallbacks[0]


@pytest.mark.parametrize("broken", [cut_after, ends_without_finish, hangs])
def test_a_stream_that_breaks_is_continued_after_the_last_whole_sentence(serve, broken) -> None:
    spare = serve(says("It falls. ", "Done."))
    first = serve(broken("Rain is water. ", "It fal"))
    sentences, record, _ = ask(
        router(
            deployment(first),
            deployment(spare, "spare"),
            fallbacks={"talk": ("spare",)},
            limits=IMPATIENT if broken is hangs else PATIENT,
        )
    )
    assert sentences == ["Rain is water.", "It falls.", "Done."]
    assert record.outcome == "answered"
    assert spare.requests[0]["messages"][-2:] == [
        {"role": "assistant", "content": "Rain is water."},
        {"role": "user", "content": CONTINUE},
    ]


def test_no_network_at_all() -> None:
    sentences, record, _ = ask(router(closed_port(), closed_port()))
    assert sentences == ["I couldn't get an answer to that."]
    assert record.outcome == "failed"
    assert len(record.fallbacks) == 3
    assert "no connection" in record.fallbacks[0]


def test_a_model_that_goes_round_in_circles_is_left(serve) -> None:
    mad = serve(says(*["Rain. "] * 50))
    sentences, record, _ = ask(
        router(deployment(mad), deployment(serve(says("Water.")), "spare"), fallbacks={"talk": ("spare",)})
    )
    assert sentences == ["Rain.", "Rain.", "Water."]
    assert "repeats itself" in record.fallbacks[0]


def test_failing_deployments_rest_and_are_not_asked(serve) -> None:
    bad, good = serve(status(500)), serve(says("Water."))
    tier = router(
        deployment(bad),
        deployment(good, "spare"),
        fallbacks={"talk": ("spare",)},
        allowed_fails=1,
        cooldown_time=60,
    )
    for _ in range(4):
        assert ask(tier)[0] == ["Water."]
    assert len(bad.requests) == 2  # one failure allowed, the second sends it to rest
    assert tier.status()[0].resting_s > 50
    assert tier.status()[0].last_error == "status 500"


def test_a_deployment_that_has_recovered_is_used_again(serve) -> None:
    first, spare = serve(status(500)), serve(says("Water."))
    tier = router(
        deployment(first),
        deployment(spare, "spare"),
        fallbacks={"talk": ("spare",)},
        allowed_fails=0,
        cooldown_time=0.05,
    )
    assert ask(tier)[0] == ["Water."]
    first.behaviour = says("Back.")
    while tier.status()[0].resting_s:
        time.sleep(0.01)
    assert ask(tier)[0] == ["Back."]
    assert tier.status()[0].last_error == ""


def test_retry_after_is_kept_to(serve) -> None:
    tier = router(serve(status(429, retry_after="30")))
    ask(tier)
    assert 29 < tier.status()[0].resting_s <= 30
    _, record, _ = ask(tier)
    assert "all remotes rest, the next for" in record.fallbacks[0]


def test_our_own_bad_request_is_no_sign_of_ill_health(serve) -> None:
    tier = router(serve(status(400)), allowed_fails=0)
    ask(tier)
    assert tier.status()[0].resting_s == 0


def test_latency_based_routing_prefers_the_quicker(serve) -> None:
    slow, quick = serve(says("Slow.", delay_s=0.12)), serve(says("Quick."))
    tier = router(slow, quick)
    for _ in range(2):  # each unknown one is tried once
        ask(tier)
    assert [ask(tier)[0] for _ in range(3)] == [["Quick."]] * 3


def test_one_that_was_quick_and_falls_silent_is_not_waited_for_to_the_limit(serve) -> None:
    first, spare = serve(says("First.")), serve(says("Spare."))
    tier = router(
        deployment(first),
        deployment(spare, "spare"),
        fallbacks={"talk": ("spare",)},
        limits=Limits(first_token_s=60.0),
    )
    assert ask(tier)[0] == ["First."]
    first.behaviour = silent
    started_s = time.monotonic()
    sentences, record, _ = ask(tier)
    assert sentences == ["Spare."]
    assert "no token within" in record.fallbacks[0]
    assert time.monotonic() - started_s < 30


def test_an_unknown_one_that_keeps_silent_gets_a_rival_and_is_left_once_that_speaks(serve) -> None:
    first, second = serve(silent), serve(says("Second."))
    tier = router(first, second, limits=Limits(first_token_s=60.0))
    started_s = time.monotonic()
    sentences, record, _ = ask(tier)
    assert sentences == ["Second."]
    assert time.monotonic() - started_s < 30
    assert (len(record.fallbacks), "no token within" in record.fallbacks[0]) == (1, True)
    first.hung_up.set()
    assert [status.in_flight for status in tier.status()] == [0, 0]
    assert [status.fails for status in tier.status()] == [1, 0]
    assert tier.order()[0].base_url == second.base_url  # and is not asked first again


def after(event: threading.Event, behaviour: Behaviour) -> Behaviour:
    """Wait for something to happen elsewhere, then behave."""

    def behave(handler, body) -> None:
        event.wait(10)
        behaviour(handler, body)

    return behave


def telling(event: threading.Event, behaviour: Behaviour) -> Behaviour:
    """Let it be known that a request has come, then behave."""

    def behave(handler, body) -> None:
        event.set()
        behaviour(handler, body)

    return behave


@pytest.fixture
def race(serve, monkeypatch) -> Iterator:
    """A router with two deployments, the second a stand-in that is asked soon; and its servers."""
    monkeypatch.setattr("carvoice.llm.router._UNKNOWN_PATIENCE_S", 0.05)
    servers: list[ChatServer] = []

    def start(first: Behaviour, rival: Behaviour):
        servers.extend((serve(first), serve(rival)))
        spare = deployment(servers[1], "spare")
        return router(deployment(servers[0]), spare, fallbacks={"talk": ("spare",)}), *servers

    yield start
    for server in servers:
        server.hung_up.set()


def test_a_slow_one_that_speaks_before_its_rival_goes_on(race) -> None:
    asked = threading.Event()
    tier, _, rival = race(after(asked, says("Slow ", "but ", "there.")), telling(asked, silent))
    sentences, record, _ = ask(tier)
    assert (sentences, record.fallbacks, len(rival.requests)) == (["Slow but there."], (), 1)
    assert [(status.fails, status.in_flight) for status in tier.status()] == [(0, 0), (0, 0)]


def test_an_outrun_one_is_asked_again_when_its_rival_breaks_off(race) -> None:
    tier, first, _ = race(silent, cut_after("Rain is water. ", "It f"))
    stream = TieredAnswerer([tier]).answer("what is rain")
    assert next(stream) == "Rain is water."
    first.behaviour = says("It falls.")
    assert list(stream) == ["It falls."]
    assert stream.record.outcome == "answered"


def test_cancel_ends_a_race(race) -> None:
    cancel = threading.Event()
    tier, _, rival = race(silent, telling(cancel, silent))
    stream = TieredAnswerer([tier]).answer("what is rain", cancel=cancel)
    assert list(stream) == []
    assert len(rival.requests) == 1
    assert stream.record.outcome == "cancelled"
    assert [(status.fails, status.in_flight) for status in tier.status()] == [(0, 0), (0, 0)]


def test_least_busy_avoids_the_one_that_is_streaming(serve) -> None:
    first, second = serve(says("First. ", "More.")), serve(says("Second."))
    tier = router(first, second, routing_strategy="least-busy")
    stream = TieredAnswerer([tier]).answer("what is rain")
    assert next(stream) == "First."
    assert ask(tier)[0] == ["Second."]


def test_tags_choose_deployments_and_tools_go_only_to_those_that_know_them(serve) -> None:
    plain, skilled = serve(says("Plain.")), serve(says("Skilled."))
    tier = router(plain, deployment(skilled, tags=frozenset({"tools", "private"})))
    assert ask(tier, AnswerContext(tags=frozenset({"private"}), tools=(TOOL,)))[0] == ["Skilled."]
    assert skilled.requests[0]["tools"][0]["function"]["name"] == "OpenTrunk"
    assert ask(tier, AnswerContext(tools=(TOOL,)))[0] == ["Plain."]
    assert "tools" not in plain.requests[0]
    assert "no deployment carries" in ask(tier, AnswerContext(tags=frozenset({"moon"})))[1].fallbacks[0]


def test_a_tool_call_becomes_a_proposal(serve) -> None:
    tier = router(deployment(serve(calls("OpenTrunk", '{"si', 'de": "rear"}')), tags=frozenset({"tools"})))
    sentences, record, stream = ask(tier, AnswerContext(tools=(TOOL,)))
    assert sentences == []
    assert record.outcome == "answered"
    (wish,) = stream.proposals
    assert (wish.intent, wish.values, wish.source) == ("OpenTrunk", {"side": "rear"}, "llm")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("FormatDisk", "{}"),
        ("OpenTrunk", '{"side": "left"}'),
        ("OpenTrunk", '{"speed": 3}'),
        ("OpenTrunk", "{oops"),
    ],
)
def test_a_call_that_was_not_offered_is_a_failure(serve, name: str, arguments: str) -> None:
    tier = router(deployment(serve(calls(name, arguments)), tags=frozenset({"tools"})))
    _, record, stream = ask(tier, AnswerContext(tools=(TOOL,)))
    assert stream.proposals == ()
    assert record.outcome == "failed"
    assert name in record.fallbacks[0]  # says which, not that the answer was empty


def test_cancel_ends_a_hanging_stream_at_once_and_the_server_notices(serve) -> None:
    server = serve(hangs("Rain is water. ", "It fal"))
    tier = router(server, limits=Limits(stall_s=60.0, total_s=60.0))
    cancel = threading.Event()
    stream = TieredAnswerer([tier]).answer("what is rain", cancel=cancel)
    assert next(stream) == "Rain is water."
    started_s = time.monotonic()
    cancel.set()
    assert list(stream) == []
    assert time.monotonic() - started_s < 10
    assert stream.record.outcome == "cancelled"
    assert server.hung_up.wait(2)
    assert tier.status()[0].fails == 0


def test_total_time_is_limited(serve) -> None:
    def drip(handler, body) -> None:
        handler.start_stream()
        for _ in range(1000):
            handler.event({"content": "a "})
            time.sleep(0.01)

    _, record, _ = ask(router(serve(drip), limits=Limits(total_s=0.3)))
    assert "not finished after 0.3 s" in record.fallbacks[0]


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(ConfigError, match="at least one"):
        Router([], "")
    with pytest.raises(ConfigError, match="least-busy"):
        router("http://x/v1", routing_strategy="best")
    with pytest.raises(ConfigError, match="'spare'"):
        router("http://x/v1", fallbacks={"talk": ("spare",)})


def test_an_api_key_is_not_shown() -> None:
    assert "s3cret" not in repr(deployment("http://x/v1", api_key="s3cret"))
