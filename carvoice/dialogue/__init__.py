"""The turn: states, barge-in, confirmation, context, replies."""
