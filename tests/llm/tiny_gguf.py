"""Writes a GGUF that llama.cpp runs: a 2-layer llama with a byte-level BPE tokenizer and tiny random weights.

Attention and feed-forward weights are random noise, small enough that the residual path decides: embedding
and output are set so that each scripted word leads to the next. So the model speaks a known text, and every
part of llama.cpp is really run to get it.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import gguf
import numpy as np

CHATML = (
    "{% for m in messages %}"
    "{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
RAIN = "Rain is water that falls from clouds ."
_TEXT = (
    "you are the voice assistant of a car and your words are spoken aloud to the driver answer in one "
    "to three short plain sentences if you do not know say so what is rain the manual says under pressure "
    "of the tyres "
) * 3


def _byte_alphabet() -> dict[int, str]:
    """GPT-2's bytes as printable characters."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {byte: chr(byte) for byte in printable}
    for n, byte in enumerate(b for b in range(256) if b not in table):
        table[byte] = chr(256 + n)
    return table


def _train_bpe(count: int) -> list[tuple[str, str]]:
    """The most frequent merges of a short text, learnt as in Sennrich et al. 2016."""
    alphabet = _byte_alphabet()
    words = Counter(_TEXT.split())
    split = {word: [alphabet[32], *(alphabet[b] for b in word.encode())] for word in words}
    merges: list[tuple[str, str]] = []
    for _ in range(count):
        pairs: Counter[tuple[str, str]] = Counter()
        for word, symbols in split.items():
            for pair in pairwise(symbols):
                pairs[pair] += words[word]
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        for word, symbols in split.items():
            joined: list[str] = []
            for symbol in symbols:
                if joined and (joined[-1], symbol) == best:
                    joined[-1] += symbol
                else:
                    joined.append(symbol)
            split[word] = joined
    return merges


def write_tiny_gguf(
    path: Path,
    script: str = RAIN,
    endless: bool = False,
    chat_template: str | None = CHATML,
    width: int = 512,
    layers: int = 2,
    seed: int = 1,
) -> Path:
    """Write the model.

    Args:
        path: file to write.
        script: words it says, each once, separated by spaces; a word "." is joined to the one before.
        endless: begin again after the last word instead of ending the turn.
        chat_template: Jinja template in the file; None for none.
        width: embedding width, at least the size of the vocabulary for an exact script.
        layers: transformer blocks.
        seed: of the noise.
    """
    rng = np.random.default_rng(seed)
    alphabet = _byte_alphabet()
    merges = _train_bpe(120)
    spoken = script.split()
    assert len(set(spoken)) == len(spoken), "each word once: the model knows only the word before"
    tokens = [alphabet[b] for b in range(256)]
    tokens += [a + b for a, b in merges if a + b not in tokens]
    script_ids = []
    for n, word in enumerate(spoken):
        text = (" " if n and word not in ".!?" else "") + word
        token = "".join(alphabet[b] for b in text.encode())
        if token not in tokens:
            tokens.append(token)
        script_ids.append(tokens.index(token))
    start_id, end_id = len(tokens), len(tokens) + 1
    tokens += ["<|im_start|>", "<|im_end|>"]
    types = [gguf.TokenType.NORMAL] * start_id + [gguf.TokenType.CONTROL] * 2
    vocabulary = len(tokens)
    assert vocabulary <= width, f"width must be at least {vocabulary}"

    embedding = np.zeros((vocabulary, width), np.float32)
    embedding[np.arange(vocabulary), np.arange(vocabulary)] = 1.0
    output = np.zeros((vocabulary, width), np.float32)
    newline = tokens.index(alphabet[10])
    chain = [newline, *script_ids, script_ids[0] if endless else end_id]
    for now, following in pairwise(chain):
        output[following, now] = 8.0

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny-random")
    writer.add_context_length(4096)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(2 * width)
    writer.add_head_count(8)
    writer.add_head_count_kv(4)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // 8)
    writer.add_vocab_size(vocabulary)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([f"{a} {b}" for a, b in merges])
    writer.add_bos_token_id(start_id)
    writer.add_eos_token_id(end_id)
    writer.add_add_bos_token(False)
    if chat_template is not None:
        writer.add_chat_template(chat_template)

    def noise(rows: int, columns: int) -> np.ndarray:
        return (rng.standard_normal((rows, columns)) * 0.002).astype(np.float32)

    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output.weight", output)
    writer.add_tensor("output_norm.weight", np.ones(width, np.float32))
    for layer in range(layers):
        block = f"blk.{layer}"
        writer.add_tensor(f"{block}.attn_norm.weight", np.ones(width, np.float32))
        writer.add_tensor(f"{block}.ffn_norm.weight", np.ones(width, np.float32))
        writer.add_tensor(f"{block}.attn_q.weight", noise(width, width))
        writer.add_tensor(f"{block}.attn_k.weight", noise(width // 2, width))
        writer.add_tensor(f"{block}.attn_v.weight", noise(width // 2, width))
        writer.add_tensor(f"{block}.attn_output.weight", noise(width, width))
        writer.add_tensor(f"{block}.ffn_gate.weight", noise(2 * width, width))
        writer.add_tensor(f"{block}.ffn_up.weight", noise(2 * width, width))
        writer.add_tensor(f"{block}.ffn_down.weight", noise(width, 2 * width))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
