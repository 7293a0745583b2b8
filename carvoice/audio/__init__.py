"""Cython over the C audio core, and the devices that feed it."""
