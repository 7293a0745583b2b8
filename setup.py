"""Build the Cython extensions over the C core in ``csrc/``; everything else is in pyproject.toml.

An extension ``carvoice/ROOM/_NAME.pyx`` names its C sources in its own head, so that this file
does not have to know them::

    # distutils: sources = csrc/ring.c csrc/fft.c
"""

from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

C_FLAGS = ["-std=c11", "-O3", "-ffast-math", "-fno-finite-math-only", "-fno-math-errno"]


def extension(pyx: Path) -> Extension:
    """Describe one ``.pyx`` file; its module name is its path."""
    return Extension(
        ".".join(pyx.with_suffix("").parts),
        [str(pyx)],
        include_dirs=["csrc", numpy.get_include()],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
        extra_compile_args=C_FLAGS,
    )


setup(
    ext_modules=cythonize(
        [extension(pyx) for pyx in sorted(Path("carvoice").rglob("*.pyx"))],
        language_level=3,
        compiler_directives={"embedsignature": True, "freethreading_compatible": True},
    )
    or None
)
