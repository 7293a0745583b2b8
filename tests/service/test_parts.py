"""What the service says of its parts."""

from types import SimpleNamespace

from carvoice.llm.engine import EngineReport
from carvoice.llm.local import LocalTier
from carvoice.llm.tiered import TieredAnswerer
from carvoice.service.health import Health


class Loaded(LocalTier):
    pid, restarts = 17, 1
    report = EngineReport("qwen", 900.0, 4.0, 122, True, 2048, 2, 644.0)

    def __init__(self):
        pass


class Down(Loaded):
    pid, report = None, None


def test_a_local_model_states_its_threads_and_memory_or_that_it_is_down():
    def llm(tier):
        return Health(SimpleNamespace(answerer=TieredAnswerer([tier])), None, None, None)._llm()

    loaded = llm(Loaded()).figures["local"]
    assert (loaded["is_loaded"], loaded["n_threads"], loaded["rss_mb"]) == (True, 2, 644.0)
    assert not llm(Down()).is_well
    assert llm(Down()).figures["local"] == {"pid": None, "restarts": 1, "is_loaded": False}
