"""Answers to open-ended questions, in tiers behind one protocol."""
