"""The template language: loader, checker, compiler to the automaton; lexicon and text-to-phoneme."""
