"""The circuit breaker, on a clock of its own."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from carvoice.llm.health import Health
from carvoice.llm.remote import _retry_after_s


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health("m@host", allowed_fails=1, cooldown_s=15.0, clock=clock)


def fail(health: Health, times: int = 1) -> None:
    for _ in range(times):
        health.begin()
        health.failed("status 500")
        health.end()


def test_it_rests_after_more_failures_than_allowed(health: Health, clock: Clock) -> None:
    fail(health)
    assert health.available()
    fail(health)
    assert not health.available()
    assert health.resting_s() == 15.0
    clock.now_s += 14.9
    assert not health.available()
    clock.now_s += 0.1
    assert health.available()


def test_failures_far_apart_are_put_up_with(health: Health, clock: Clock) -> None:
    for _ in range(5):
        fail(health)
        clock.now_s += 61.0
    assert health.available()
    assert health.status().fails == 0


def test_on_trial_it_takes_one_request_and_one_failure_sends_it_back_for_twice_as_long(
    health: Health, clock: Clock
) -> None:
    fail(health, 2)
    for rest_s in (30.0, 60.0, 120.0, 240.0, 300.0, 300.0):
        clock.now_s += health.resting_s()
        health.begin()
        assert not health.available()  # somebody is trying it
        health.failed("status 500")
        health.end()
        assert health.resting_s() == rest_s


def test_one_success_forgives_everything(health: Health, clock: Clock) -> None:
    fail(health, 2)
    clock.now_s += 15.0
    fail(health)
    clock.now_s += 30.0
    health.begin()
    health.succeeded()
    health.end()
    assert health.status().last_error == ""
    fail(health)
    assert health.available()
    fail(health)
    assert health.resting_s() == 15.0


@pytest.mark.parametrize(("asked_s", "rests_s"), [(7.0, 7.0), (0.0, 0.0), (86_400.0, 300.0)])
def test_retry_after_is_kept_to_within_reason(health: Health, asked_s: float, rests_s: float) -> None:
    health.failed("429", asked_s)
    assert health.resting_s() == rests_s


def test_latency_is_the_mean_of_the_last_ten(health: Health) -> None:
    assert health.latency_ms() == 0.0
    for latency_ms in (1000.0, *[100.0] * 10):
        health.first_token(latency_ms)
    assert health.latency_ms() == health.slowest_ms() == 100.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0.5", 0.5), ("-3", 0.0), ("", None), ("soon", None), (formatdate(0), 0.0)],
)
def test_a_retry_after_header(header: str, seconds: float | None) -> None:
    assert _retry_after_s({"retry-after": header}) == seconds


def test_a_retry_after_date_is_a_time_to_come() -> None:
    found = _retry_after_s({"retry-after": formatdate(time.time() + 100)})
    assert found is not None
    assert 90 < found <= 100
    assert _retry_after_s({}) is None
