"""All pronunciations of a vocabulary as one trie, laid out for the C search."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from carvoice.grammar.automaton import Int32Array, Uint8Array


def pronunciation_trie(
    entries: Iterable[tuple[int, bytes]], n_words: int
) -> tuple[
    Uint8Array, Uint8Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Uint8Array
]:
    """A trie of pronunciations in preorder, as :class:`Aligner` wants it.

    In the order of the alphabet, every pronunciation shares its first phones with the one before it and
    brings the rest as new nodes: that is the preorder.
    """
    in_order = sorted({(symbols, word) for word, symbols in entries if symbols})
    phone, depth, parent = [0], [0], [0]
    ends: list[int] = []  # per pronunciation the node it ends in
    path = [0]  # nodes from the root to the last pronunciation's end
    last = b""
    for symbols, _ in in_order:
        shared = 0
        while shared < len(last) and shared < len(symbols) and last[shared] == symbols[shared]:
            shared += 1
        del path[shared + 1 :]
        for symbol in symbols[shared:]:
            path.append(len(phone))
            parent.append(path[-2])
            depth.append(len(path) - 1)
            phone.append(symbol)
        ends.append(path[-1])
        last = symbols
    skip = list(range(1, len(phone) + 1))
    for node in range(len(phone) - 1, 0, -1):  # a node's last descendant is its last child's
        skip[parent[node]] = max(skip[parent[node]], skip[node])
    lengths = np.array([len(symbols) for symbols, _ in in_order], np.int32)
    words = np.array([word for _, word in in_order], np.int32)
    shortest = np.full(n_words, 255, np.uint8)
    np.minimum.at(shortest, words, lengths.astype(np.uint8))
    shortest[shortest == 255] = 0
    leaves = np.array(ends, np.int32)
    return (
        np.array(phone, np.uint8),
        np.array(depth, np.uint8),
        np.array(skip, np.int32),
        _starts(leaves, len(phone)),
        words,  # the nodes rise with the alphabet, so the words are in the order of their nodes
        np.array(parent, np.int32),
        _starts(words, n_words),
        leaves[np.argsort(words, kind="stable")],
        shortest,
    )


def _starts(keys: Int32Array, n_keys: int) -> Int32Array:
    """Where each key's items begin when they are in the order of their keys, and the end."""
    starts = np.zeros(n_keys + 1, np.int32)
    np.cumsum(np.bincount(keys, minlength=n_keys), out=starts[1:])
    return starts
