"""From words to meaning: grammar matcher, near misses, confidence, context."""

from carvoice.nlu.understander import Context, Understander, UnderstanderSettings

__all__ = ["Context", "Understander", "UnderstanderSettings"]
