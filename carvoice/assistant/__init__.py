"""The whole assistant: the only place where the rooms meet."""

from carvoice.assistant.assistant import Assistant

__all__ = ["Assistant"]
