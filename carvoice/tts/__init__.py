"""Speech synthesis and cancellable playback."""
