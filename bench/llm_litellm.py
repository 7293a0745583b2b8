"""What LiteLLM's Router adds to the bare ``openai`` client; run by ``llm_router.py --litellm PYTHON``.

Usage: ``PYTHON llm_litellm.py BASE_URL ROUNDS``, with an interpreter that has LiteLLM; prints milliseconds
to the first text as JSON: ``{"bare": [...], "router": [...]}``.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from litellm import Router
from openai import OpenAI

MESSAGES = [{"role": "system", "content": "You are a car."}, {"role": "user", "content": "what is rain"}]


def first_text_ms(ask: Callable[[], Any]) -> float:
    started_s = time.perf_counter()
    first_ms = 0.0
    for chunk in ask():
        if not first_ms and chunk.choices and chunk.choices[0].delta.content:
            first_ms = (time.perf_counter() - started_s) * 1e3
    return first_ms


def main() -> None:
    base_url, rounds = sys.argv[1], int(sys.argv[2])
    client = OpenAI(base_url=base_url, api_key="none", max_retries=0)
    router = Router(
        model_list=[
            {
                "model_name": "talk",
                "litellm_params": {"model": f"openai/m{n}", "api_base": base_url, "api_key": "none"},
            }
            for n in range(8)
        ],
        routing_strategy="latency-based-routing",
    )

    def bare() -> Any:
        return client.chat.completions.create(model="m0", messages=MESSAGES, stream=True)

    def routed() -> Any:
        return router.completion(model="talk", messages=MESSAGES, stream=True)

    for _ in range(16):
        first_text_ms(bare)
        first_text_ms(routed)
    times: dict[str, list[float]] = {"bare": [], "router": []}
    for _ in range(rounds):
        times["bare"].append(first_text_ms(bare))
        times["router"].append(first_text_ms(routed))
    print(json.dumps(times))


if __name__ == "__main__":
    main()
