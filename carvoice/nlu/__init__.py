"""From words to meaning: grammar matcher, near misses, confidence, context."""
