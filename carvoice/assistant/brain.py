"""Builds the tiers that answer open questions, as far as they are configured."""

from __future__ import annotations

from carvoice.config import LlmConfig
from carvoice.llm import Answerer


def build_answerer(config: LlmConfig) -> Answerer | None:
    """The answerer, or None when no tier is configured."""
    return None
