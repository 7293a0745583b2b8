# distutils: sources = csrc/phone_align.c
"""Cython over csrc/phone_align.c: heard phones in, the cheapest sentences of a grammar out."""

from libc.stdint cimport int32_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

cdef extern from "phone_align.h" nogil:
    enum: CV_ALIGN_SYMBOLS
    enum: CV_ALIGN_MAX_HEARD
    ctypedef struct cv_align_costs:
        float substitute[4096]
        float drop[64]
        float insert[64]
        float word_limit_base, word_limit_slope, word_beam, wildcard, wildcard_word
    ctypedef struct cv_align_trie:
        int32_t n_nodes
        const uint8_t *phone
        const uint8_t *depth
        const int32_t *skip
        const int32_t *word_start
        const int32_t *word_at
        const int32_t *parent
        const int32_t *leaf_start
        const int32_t *leaf_at
        const uint8_t *shortest
        const float *drop_word
    ctypedef struct cv_align_graph:
        int32_t n_states, start, n_words, wildcard
        const int32_t *arc_start
        const int32_t *arc_word
        const int32_t *arc_next
        const uint8_t *is_final
    ctypedef struct cv_align_heard:
        const uint8_t *phones
        const float *weight
        int32_t n_phones, n_words
        const int32_t *word_from
        const int32_t *word_to
        const int32_t *word_id
        const float *skip_cost
        const float *lost_cost
        float limit, beam
    ctypedef struct cv_align_token:
        float cost
        int32_t previous, word, from_ "from", to, state, is_expanded
        uint32_t history
    ctypedef struct cv_align:
        pass
    size_t cv_align_size(int32_t, int32_t, int32_t, int32_t)
    cv_align *cv_align_init(void *, int32_t, int32_t, int32_t, int32_t)
    int32_t cv_align_process(cv_align *, const cv_align_costs *, const cv_align_trie *,
                             const cv_align_graph *, const cv_align_heard *, int32_t *, int32_t)
    const cv_align_token *cv_align_tokens(const cv_align *)
    int32_t cv_align_n_tokens(const cv_align *)


cdef class Aligner:
    """Searches one word automaton. Not thread-safe: one per thread.

    Args:
        phone, depth, skip, word_start, word_at, parent, leaf_start, leaf_at, shortest: the trie of
            pronunciations in preorder.
        arc_start, arc_word, arc_next, is_final: the automaton, arcs of a state together.
        start, n_words, wildcard: start state, size of the vocabulary, the wildcard's word id.
        substitute: float32 (64, 64), [meant, heard]; drop, insert: float32 (64,).
        drop_word: float32 (n_words,): cost of a word of which nothing was heard.
        limits: float32 (5,): word limit base and slope, word beam, wildcard, wildcard word.
    """

    cdef cv_align_costs _costs
    cdef cv_align_trie _trie
    cdef cv_align_graph _graph
    cdef cv_align *_search
    cdef void *_memory
    cdef list _keep

    def __cinit__(self, const uint8_t[::1] phone, const uint8_t[::1] depth, const int32_t[::1] skip,
                  const int32_t[::1] word_start, const int32_t[::1] word_at, const int32_t[::1] parent,
                  const int32_t[::1] leaf_start, const int32_t[::1] leaf_at, const uint8_t[::1] shortest,
                  const float[::1] drop_word,
                  const int32_t[::1] arc_start, const int32_t[::1] arc_word, const int32_t[::1] arc_next,
                  const uint8_t[::1] is_final, int start, int n_words, int wildcard,
                  const float[:, ::1] substitute, const float[::1] drop, const float[::1] insert,
                  const float[::1] limits, int max_tokens=200_000):
        cdef int i, k
        self._keep = [phone, depth, skip, word_start, word_at, parent, leaf_start, leaf_at, shortest, drop_word,
                      arc_start, arc_word, arc_next, is_final]
        self._trie.n_nodes = phone.shape[0]
        self._trie.phone = &phone[0]
        self._trie.depth = &depth[0]
        self._trie.skip = &skip[0]
        self._trie.word_start = &word_start[0]
        self._trie.word_at = &word_at[0] if word_at.shape[0] else NULL
        self._trie.parent = &parent[0]
        self._trie.leaf_start = &leaf_start[0]
        self._trie.leaf_at = &leaf_at[0] if leaf_at.shape[0] else NULL
        self._trie.shortest = &shortest[0]
        self._trie.drop_word = &drop_word[0]
        self._graph.n_states = is_final.shape[0]
        self._graph.start = start
        self._graph.n_words = n_words
        self._graph.wildcard = wildcard
        self._graph.arc_start = &arc_start[0]
        self._graph.arc_word = &arc_word[0] if arc_word.shape[0] else NULL
        self._graph.arc_next = &arc_next[0] if arc_next.shape[0] else NULL
        self._graph.is_final = &is_final[0]
        for i in range(64):
            self._costs.drop[i] = drop[i]
            self._costs.insert[i] = insert[i]
            for k in range(64):
                self._costs.substitute[i * 64 + k] = substitute[i, k]
        self._costs.word_limit_base = limits[0]
        self._costs.word_limit_slope = limits[1]
        self._costs.word_beam = limits[2]
        self._costs.wildcard = limits[3]
        self._costs.wildcard_word = limits[4]
        self._memory = malloc(cv_align_size(self._graph.n_states, n_words + 1, self._trie.n_nodes, max_tokens))
        if not self._memory:
            raise MemoryError
        self._search = cv_align_init(self._memory, self._graph.n_states, n_words + 1,
                                     self._trie.n_nodes, max_tokens)

    def __dealloc__(self):
        free(self._memory)

    def search(self, bytes phones, list words, float beam, float limit=1e9, list weights=None, int n_best=8):
        """The cheapest sentences.

        Args:
            phones: symbols heard, one byte each; at most 400.
            words: the words heard, in order: (from, to, word id or -1, cost of leaving it out, cost of
                hearing something else in it), where from and to are positions between phones.
            beam: parses so much worse than the best at their position are dropped.
            limit: what a sentence may cost at most.
            weights: per phone how much it counts; None for 1 each.
            n_best: how many sentences to return at most.

        Returns:
            Per sentence (cost, steps); a step is (word, from, to, its cost): a word of the vocabulary, or
            n_words + i for heard word i passed by a wildcard, or -2 - i for heard word i left out.
        """
        cdef int32_t word_from[256]
        cdef int32_t word_to[256]
        cdef int32_t word_id[256]
        cdef float skip_cost[256]
        cdef float lost_cost[256]
        cdef float weight[CV_ALIGN_MAX_HEARD]
        cdef int32_t best[32]
        cdef int32_t n_words = len(words), count, i, t
        cdef cv_align_heard heard
        cdef const cv_align_token *tokens
        if n_words > 256 or len(phones) > CV_ALIGN_MAX_HEARD:
            return []
        for i in range(n_words):
            word_from[i], word_to[i], word_id[i], skip_cost[i], lost_cost[i] = words[i]
        for i in range(len(phones)):
            weight[i] = 1.0 if weights is None else weights[i]
        heard.phones = <const uint8_t *><const char *>phones
        heard.n_phones = len(phones)
        heard.n_words = n_words
        heard.word_from = word_from
        heard.word_to = word_to
        heard.word_id = word_id
        heard.skip_cost = skip_cost
        heard.lost_cost = lost_cost
        heard.weight = weight
        heard.limit = limit
        heard.beam = beam
        if n_best > 32:
            n_best = 32
        with nogil:
            count = cv_align_process(self._search, &self._costs, &self._trie, &self._graph, &heard, best,
                                     n_best)
        tokens = cv_align_tokens(self._search)
        found = []
        for i in range(count):
            steps = []
            t = best[i]
            while tokens[t].previous >= 0:
                steps.append((tokens[t].word, tokens[t].from_, tokens[t].to,
                              tokens[t].cost - tokens[tokens[t].previous].cost))
                t = tokens[t].previous
            steps.reverse()
            found.append((tokens[best[i]].cost, steps))
        return found
