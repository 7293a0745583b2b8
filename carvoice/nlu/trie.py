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
    """A trie of pronunciations in preorder, as :class:`Aligner` wants it."""
    children: list[dict[int, int]] = [{}]
    words: list[list[int]] = [[]]
    shortest = np.zeros(n_words, np.uint8)
    for word, symbols in entries:
        node = 0
        for symbol in symbols:
            after = children[node].get(symbol)
            if after is None:
                after = children[node][symbol] = len(children)
                children.append({})
                words.append([])
            node = after
        if word not in words[node]:
            words[node].append(word)
        if not shortest[word] or len(symbols) < shortest[word]:
            shortest[word] = len(symbols)
    phone, depth, skip, parent, word_start = [0], [0], [0], [0], [0]
    word_at: list[int] = []
    leaves: list[list[int]] = [[] for _ in range(n_words)]
    stack = [(child, symbol, 1) for symbol, child in sorted(children[0].items(), reverse=True)]
    open_nodes = [0]
    while stack:
        node, symbol, level = stack.pop()
        while len(open_nodes) > level:
            skip[open_nodes.pop()] = len(phone)
        parent.append(open_nodes[-1])
        open_nodes.append(len(phone))
        word_start.append(len(word_at))
        word_at.extend(words[node])
        for word in words[node]:
            leaves[word].append(len(phone))
        phone.append(symbol)
        depth.append(level)
        skip.append(0)
        stack.extend((child, then, level + 1) for then, child in sorted(children[node].items(), reverse=True))
    for node in open_nodes:
        skip[node] = len(phone)
    word_start.append(len(word_at))
    leaf_start = np.zeros(n_words + 1, np.int32)
    np.cumsum([len(nodes) for nodes in leaves], out=leaf_start[1:])
    return (
        np.array(phone, np.uint8),
        np.array(depth, np.uint8),
        np.array(skip, np.int32),
        np.array(word_start, np.int32),
        np.array(word_at, np.int32),
        np.array(parent, np.int32),
        leaf_start,
        np.array([node for nodes in leaves for node in nodes], np.int32),
        shortest,
    )
