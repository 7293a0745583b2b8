"""Time to first token and tokens per second of llama.cpp, with and without the warm prompt state.

Run ``python bench/llm_local.py [--gguf FILE ...]``, where other work runs under ``chrt -r 10``; it writes
bench/results/llm_local.md. Beside the files it measures a model of the shape of Qwen2.5-0.5B (24 layers,
width 896, 151,936 tokens) with random weights, Q4_0 with a Q8_0 embedding, which it writes: what it says
means nothing, but it computes what the real one computes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import gguf
import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "llm"))

os.environ["OMP_WAIT_POLICY"] = "passive"  # read when llama.cpp is loaded

from tiny_gguf import CHATML, _byte_alphabet, _train_bpe  # noqa: E402

from carvoice.llm.engine import Engine, EngineSettings, Generation  # noqa: E402
from carvoice.llm.sentences import whole_sentences  # noqa: E402

WIDTH, LAYERS, FORWARD, HEADS, KV_HEADS, VOCABULARY = 896, 24, 4864, 14, 2, 151_936
SYSTEM = "you are the voice assistant of a car and your words are spoken aloud to the driver " * 6
QUESTION = "what is rain"


def write_half_billion(path: Path) -> Path:
    """The shape of Qwen2.5-0.5B-Instruct with random weights."""
    rng = np.random.default_rng(0)
    alphabet = _byte_alphabet()
    merges = _train_bpe(120)
    tokens = [alphabet[b] for b in range(256)]
    tokens += [a + b for a, b in merges if a + b not in tokens]
    tokens += [f"word{n}" for n in range(VOCABULARY - len(tokens) - 2)] + ["<|im_start|>", "<|im_end|>"]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("random-0.5b")
    writer.add_context_length(4096)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(VOCABULARY)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * (VOCABULARY - 2) + [gguf.TokenType.CONTROL] * 2)
    writer.add_token_merges([f"{a} {b}" for a, b in merges])
    writer.add_bos_token_id(VOCABULARY - 2)
    writer.add_eos_token_id(VOCABULARY - 1)
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHATML)

    def add(name: str, rows: int, columns: int, kind: gguf.GGMLQuantizationType) -> None:
        # Blocks of 32 weights: a half-precision scale, then 16 bytes (Q4_0) or 32 bytes (Q8_0).
        size = 18 if kind == gguf.GGMLQuantizationType.Q4_0 else 34
        blocks = rng.integers(0, 256, (rows * columns // 32, size), dtype=np.uint8)
        scale = np.float16(0.02 / 8 if size == 18 else 0.02 / 127)
        blocks[:, :2] = np.frombuffer(scale.tobytes(), np.uint8)
        writer.add_tensor(name, blocks.reshape(rows, columns // 32 * size), raw_dtype=kind)

    q4, q8 = gguf.GGMLQuantizationType.Q4_0, gguf.GGMLQuantizationType.Q8_0
    kv_width = WIDTH // HEADS * KV_HEADS
    add("token_embd.weight", VOCABULARY, WIDTH, q8)
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        writer.add_tensor(f"{block}.attn_norm.weight", np.ones(WIDTH, np.float32))
        writer.add_tensor(f"{block}.ffn_norm.weight", np.ones(WIDTH, np.float32))
        add(f"{block}.attn_q.weight", WIDTH, WIDTH, q4)
        add(f"{block}.attn_k.weight", kv_width, WIDTH, q4)
        add(f"{block}.attn_v.weight", kv_width, WIDTH, q4)
        add(f"{block}.attn_output.weight", WIDTH, WIDTH, q4)
        add(f"{block}.ffn_gate.weight", FORWARD, WIDTH, q4)
        add(f"{block}.ffn_up.weight", FORWARD, WIDTH, q4)
        add(f"{block}.ffn_down.weight", WIDTH, FORWARD, q4)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def ask(engine: Engine, question: str, max_tokens: int) -> tuple[Generation, float, float]:
    """One answer: its counts, tokens per second after the first, and tokens per second of CPU time."""
    counts = Generation()
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
    first_s, first_cpu_s = 0.0, 0.0
    for _ in engine.generate(
        messages, max_tokens=max_tokens, time_s=120.0, cancelled=lambda: False, counts=counts
    ):
        if not first_s:
            first_s, first_cpu_s = time.monotonic(), time.process_time()
    if counts.tokens < 2:
        return counts, 0.0, 0.0
    more = counts.tokens - 1
    return counts, more / (time.monotonic() - first_s), more / (time.process_time() - first_cpu_s)


def first_sentence_ms(engine: Engine) -> float | None:
    """Milliseconds from the question to the first whole sentence; None if there is none in 60 tokens."""
    counts = Generation()
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "why is the sky blue"}]
    started_s = time.monotonic()
    pieces = engine.generate(messages, max_tokens=60, time_s=120.0, cancelled=lambda: False, counts=counts)
    next(whole_sentences(pieces), "")
    return (time.monotonic() - started_s) * 1e3 if counts.reason != "length" else None


def measure(model: Path, threads: int, rounds: int, states: Path) -> list[str]:
    settings = EngineSettings(model, n_ctx=2048, n_threads=threads, state_folder=states / str(threads))
    first = Engine(settings, SYSTEM)
    evaluated = first.report
    first.close()
    engine = Engine(settings, SYSTEM)
    restored = engine.report
    warm, cold, rates, cpu_rates = [], [], [], []
    for n in range(rounds):
        counts, rate, cpu_rate = ask(engine, f"{QUESTION} {n}", 24)
        warm.append(counts.ttft_ms)
        rates.append(rate)
        cpu_rates.append(cpu_rate)
        engine._llama.reset()  # as if nothing had been kept
        counts, *_ = ask(engine, f"{QUESTION} {n}", 1)
        cold.append(counts.ttft_ms)
    prompt = counts.prompt_tokens
    engine._llama.reset()
    ask(engine, QUESTION, 1)  # warm again
    sentence_ms = first_sentence_ms(engine)
    sentence = "none: random words" if sentence_ms is None else f"{sentence_ms:.0f}"
    engine.close()
    return [
        f"| {model.name}, {model.stat().st_size / 1e6:.0f} MB | {threads} | {prompt} "
        f"| {np.median(cold):.0f} (max {max(cold):.0f}) | {np.median(warm):.0f} (max {max(warm):.0f}) "
        f"| {sentence} | {np.median(rates):.1f} | {np.median(cpu_rates):.1f} | {evaluated.warm_ms:.0f} "
        f"| {restored.warm_ms:.0f} | {restored.load_ms:.0f} | {restored.rss_mb:.0f} |"
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--gguf", type=Path, nargs="*", default=[], help="real models to measure too")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=4)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        priority = "normal" if os.sched_getscheduler(0) == os.SCHED_OTHER else "real-time"
        lines = [
            "# Local model through llama.cpp",
            "",
            f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} from other work, {priority} priority. "
            "Threads that wait sleep, as in the worker process; of two for prompts one generates.",
            "",
            "| model | threads | prompt tokens | ttft without warm prompt, ms | with, ms "
            "| first sentence, ms | tokens/s | tokens per second of CPU "
            "| warming: evaluated, ms | from disk, ms | load, ms | MB resident |",
            "|---|---|---|---|---|---|---|---|---|---|---|---|",
        ]
        for model in (*arguments.gguf, write_half_billion(Path(folder) / "random-0.5b.gguf")):
            for threads in arguments.threads:
                lines += measure(model, threads, arguments.rounds, Path(folder) / model.stem)
    text = "\n".join(lines) + "\n"
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "llm_local.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
