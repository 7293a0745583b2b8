"""Writes a BERT as a GGUF that llama.cpp embeds with: any weights, a word-piece tokenizer, mean pooling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import gguf
import numpy as np

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789'?"


def write_bert_gguf(
    path: Path,
    vocabulary: Sequence[str],
    tensors: Mapping[str, np.ndarray],
    *,
    width: int,
    layers: int,
    forward: int,
    heads: int,
    context: int,
    name: str,
) -> Path:
    """Write the model.

    Args:
        path: file to write.
        vocabulary: word pieces in BERT's spelling ("##ing"), the special ones among them.
        tensors: weights under the names of Hugging Face's BertModel, float32.
        width: of the embedding.
        layers: transformer blocks.
        forward: width of the feed-forward layer.
        heads: of the attention.
        context: longest input in tokens.
        name: of the model.
    """
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_name(name)
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(forward)
    writer.add_head_count(heads)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_vocab_size(len(vocabulary))
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_type_count(2)
    # llama.cpp marks the beginning of a word where BERT marks its continuation.
    writer.add_token_list(
        [
            token if token in SPECIAL else token[2:] if token.startswith("##") else f"▁{token}"
            for token in vocabulary
        ]
    )
    writer.add_token_types(
        [gguf.TokenType.CONTROL if token in SPECIAL else gguf.TokenType.NORMAL for token in vocabulary]
    )
    numbers = {token: vocabulary.index(token) for token in SPECIAL}
    writer.add_pad_token_id(numbers["[PAD]"])
    writer.add_unk_token_id(numbers["[UNK]"])
    writer.add_bos_token_id(numbers["[CLS]"])
    writer.add_eos_token_id(numbers["[SEP]"])
    writer.add_sep_token_id(numbers["[SEP]"])
    writer.add_mask_token_id(numbers["[MASK]"])
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(True)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, layers)
    for theirs, weights in tensors.items():
        ours = names.get_name(theirs, try_suffixes=(".weight", ".bias"))
        if ours is not None:
            # The matrices of the blocks may be halved; llama.cpp adds up the rest as it is.
            is_matrix = weights.ndim == 2 and ours.startswith("blk.")
            writer.add_tensor(ours, weights.astype(np.float16 if is_matrix else np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_tiny_bert(path: Path, words: Sequence[str], seed: int = 1) -> Path:
    """One random layer over ``words``, letters and digits; sentences of the same words come out near."""
    rng = np.random.default_rng(seed)
    width, forward, context = 64, 64, 64
    pieces = [*SPECIAL, *dict.fromkeys([*words, *_LETTERS])]
    vocabulary = [*pieces, *(f"##{letter}" for letter in _LETTERS)]

    def noise(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) * 0.02).astype(np.float32)

    block = "encoder.layer.0."
    ones, zeros = np.ones(width, np.float32), np.zeros(width, np.float32)
    tensors = {
        "embeddings.word_embeddings.weight": rng.standard_normal((len(vocabulary), width)).astype(np.float32),
        "embeddings.position_embeddings.weight": noise(context, width),
        "embeddings.token_type_embeddings.weight": noise(2, width),
        "embeddings.LayerNorm.weight": ones,
        "embeddings.LayerNorm.bias": zeros,
    }
    for part in ("attention.self.query", "attention.self.key", "attention.self.value"):
        tensors |= {f"{block}{part}.weight": noise(width, width), f"{block}{part}.bias": zeros}
    tensors |= {
        f"{block}attention.output.dense.weight": noise(width, width),
        f"{block}attention.output.dense.bias": zeros,
        f"{block}attention.output.LayerNorm.weight": ones,
        f"{block}attention.output.LayerNorm.bias": zeros,
        f"{block}intermediate.dense.weight": noise(forward, width),
        f"{block}intermediate.dense.bias": np.zeros(forward, np.float32),
        f"{block}output.dense.weight": noise(width, forward),
        f"{block}output.dense.bias": zeros,
        f"{block}output.LayerNorm.weight": ones,
        f"{block}output.LayerNorm.bias": zeros,
    }
    return write_bert_gguf(
        path,
        vocabulary,
        tensors,
        width=width,
        layers=1,
        forward=forward,
        heads=4,
        context=context,
        name="tiny-bert",
    )
