"""What the conversation itself costs: everything of a turn but the rooms below it."""

import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "dialogue"))

from conftest import Scene

from carvoice.dialogue import Activated, Heard
from carvoice.records import Hypothesis

COMMAND = Heard(Hypothesis("open the driver window", is_final=True))
PARTIAL = Heard(Hypothesis("open the driver"))


def test_turn_of_text_in_and_reply_out(benchmark) -> None:
    scene = Scene(with_speaker=False)
    scene.dialogue.on_event = lambda event: None

    def turn() -> None:
        scene.dialogue.post(Activated())
        scene.dialogue.post(COMMAND)
        scene.dialogue.run_pending()

    benchmark(turn)
    assert benchmark.disabled or benchmark.stats.stats.median < 0.5e-3


def test_partial_while_listening(benchmark) -> None:
    scene = Scene(with_speaker=False)
    scene.dialogue.on_event = lambda event: None
    scene.post(Activated())

    def partial() -> None:
        scene.dialogue.post(PARTIAL)
        scene.dialogue.run_pending()

    benchmark(partial)
    assert benchmark.disabled or benchmark.stats.stats.median < 50e-6


def peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_memory_over_ten_thousand_turns() -> None:
    scene = Scene(with_speaker=False)
    scene.dialogue.on_event = lambda event: None

    def drive(turns: int) -> None:
        for _ in range(turns):
            scene.dialogue.post(Activated())
            scene.dialogue.post(COMMAND)
            scene.dialogue.run_pending()
            scene.world.performed.clear()

    drive(1_000)
    before = peak_kib()
    drive(10_000)
    grown = peak_kib() - before
    print(f"peak memory grew by {grown} KiB over 10,000 turns")
    assert grown < 512
