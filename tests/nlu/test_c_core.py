"""The C core under the sanitizers, on random automata."""

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CSRC = HERE.parent.parent / "csrc"


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to build the sanitized C core with")
def test_random_automata_under_sanitizers(tmp_path):
    program = tmp_path / "fuzz"
    build = subprocess.run(
        ["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-g", "-fsanitize=address,undefined",
         "-fno-sanitize-recover=all", f"-I{CSRC}", str(HERE / "c_core_fuzz.c"), str(CSRC / "matcher.c"),
         str(CSRC / "phone_align.c"), "-o", str(program)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "cannot find" in build.stderr and "asan" in build.stderr:
        pytest.skip("gcc has no sanitizer libraries")
    assert build.returncode == 0, build.stderr
    run = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
