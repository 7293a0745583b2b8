# distutils: sources = csrc/matcher.c
"""Cython over csrc/matcher.c: a word lattice in, complete parses with their slots out."""

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc

cdef extern from "matcher.h" nogil:
    ctypedef struct cv_list:
        int32_t kind
        const int32_t *arc_start
        const int32_t *arc_word
        const int32_t *arc_node
        const int32_t *value_start
        const int32_t *value_at
        int32_t start, stop, step, digits
        const int32_t *hundredths
        int32_t n_hundredths
    ctypedef struct cv_automaton:
        int32_t n_states
        const int32_t *arc_start
        const int32_t *arc_word
        const int32_t *arc_next
        const int32_t *arc_weight
        const int32_t *list_start
        const int32_t *list_id
        const int32_t *list_slot
        const int32_t *list_next
        const int32_t *list_mask
        const int32_t *final_start
        const int32_t *final_template
        const uint8_t *after_wildcard
        const uint8_t **masks
        const cv_list *lists
    ctypedef struct cv_edge:
        int32_t from_ "from"
        int32_t to
        int32_t kind
        int32_t word
        double number
    ctypedef struct cv_thread:
        int64_t cost
        int32_t state, node, parent, list_arc, value, next
    ctypedef struct cv_final:
        int64_t cost
        int32_t thread, template_id
    ctypedef struct cv_matcher:
        pass
    size_t cv_matcher_size(int32_t, int32_t, int32_t, int32_t)
    cv_matcher *cv_matcher_init(void *, int32_t, int32_t, int32_t, int32_t)
    int32_t cv_matcher_process(cv_matcher *, const cv_automaton *, const cv_edge *, int32_t,
                               const int32_t *, const uint8_t *, int32_t, int32_t)
    const cv_thread *cv_matcher_threads(const cv_matcher *)
    const cv_final *cv_matcher_finals(const cv_matcher *)
    int32_t cv_matcher_alive(const cv_matcher *)
    int32_t cv_matcher_extends(const cv_matcher *)

MAX_NODES = 512
MAX_EDGES = 4096
MAX_THREADS = 100_000
MAX_FINALS = 256


cdef const int32_t *_pointer(const int32_t[::1] view) noexcept:
    return &view[0] if view.shape[0] else NULL


cdef class Matcher:
    """Matches lattices against one automaton. Not thread-safe: one per thread."""

    cdef cv_automaton _a
    cdef cv_list *_lists
    cdef const uint8_t **_masks
    cdef void *_memory
    cdef cv_matcher *_m
    cdef cv_edge *_edges
    cdef int32_t _chars[512]
    cdef uint8_t _boundary[512]
    cdef list _keep

    def __cinit__(self, automaton):
        cdef int32_t n_lists = len(automaton.lists), n_masks = len(automaton.masks)
        cdef const int32_t[::1] view
        cdef const uint8_t[::1] bytes_view
        cdef int32_t i
        self._keep = [automaton]
        self._lists = <cv_list *>calloc(max(1, n_lists), sizeof(cv_list))
        self._masks = <const uint8_t **>calloc(max(1, n_masks), sizeof(void *))
        self._edges = <cv_edge *>malloc(4096 * sizeof(cv_edge))
        self._a.n_states = automaton.n_states
        self._memory = malloc(cv_matcher_size(self._a.n_states, 512, 100_000, 256))
        if not (self._lists and self._masks and self._edges and self._memory):
            raise MemoryError
        self._m = cv_matcher_init(self._memory, self._a.n_states, 512, 100_000, 256)
        self._a.arc_start = _pointer(automaton.arc_start)
        self._a.arc_word = _pointer(automaton.arc_word)
        self._a.arc_next = _pointer(automaton.arc_next)
        self._a.arc_weight = _pointer(automaton.arc_weight)
        self._a.list_start = _pointer(automaton.list_start)
        self._a.list_id = _pointer(automaton.list_id)
        self._a.list_slot = _pointer(automaton.list_slot)
        self._a.list_next = _pointer(automaton.list_next)
        self._a.list_mask = _pointer(automaton.list_mask)
        self._a.final_start = _pointer(automaton.final_start)
        self._a.final_template = _pointer(automaton.final_template)
        bytes_view = automaton.after_wildcard
        self._a.after_wildcard = &bytes_view[0]
        for i in range(n_lists):
            self._set_list(i, automaton.lists[i])
        for i in range(n_masks):
            bytes_view = automaton.masks[i]
            self._keep.append(automaton.masks[i])
            self._masks[i] = &bytes_view[0] if bytes_view.shape[0] else NULL
        self._a.lists = self._lists
        self._a.masks = self._masks

    cdef void _set_list(self, int32_t i, program):
        cdef const int32_t[::1] limits = program.limits
        self._keep.append(program)
        self._lists[i].kind = program.kind
        self._lists[i].arc_start = _pointer(program.arc_start)
        self._lists[i].arc_word = _pointer(program.arc_word)
        self._lists[i].arc_node = _pointer(program.arc_node)
        self._lists[i].value_start = _pointer(program.value_start)
        self._lists[i].value_at = _pointer(program.value_at)
        self._lists[i].start = limits[0]
        self._lists[i].stop = limits[1]
        self._lists[i].step = limits[2]
        self._lists[i].digits = limits[3]
        self._lists[i].hundredths = _pointer(program.hundredths)
        self._lists[i].n_hundredths = len(program.hundredths)

    def __dealloc__(self):
        free(self._lists)
        free(self._masks)
        free(self._edges)
        free(self._memory)

    def match(self, list edges, list node_chars, list boundary, bint any_number=False):
        """Match a lattice.

        Args:
            edges: (from, to, kind, word, number) tuples sorted by ``from``.
            node_chars: character offset of each node.
            boundary: 1 for nodes at which a wildcard may begin and end.
            any_number: do not look at the limits of ranges.

        Returns:
            (complete parses, cheapest first, whether any parse is alive, whether one could go on). A
            parse is (cost, template, slots in order); a slot is (list arc, value, from node, to node).
            None when the lattice is too large or stands for too many parses.
        """
        cdef int32_t n_edges = len(edges), n_nodes = len(node_chars), i
        if n_edges > 4096 or n_nodes > 512:
            return None
        for i in range(n_edges):
            (self._edges[i].from_, self._edges[i].to, self._edges[i].kind, self._edges[i].word,
             self._edges[i].number) = edges[i]
        for i in range(n_nodes):
            self._chars[i] = node_chars[i]
            self._boundary[i] = boundary[i]
        return self._run(n_edges, n_nodes, any_number)

    def match_words(self, list words, dict skips, list node_chars, bint any_number=False):
        """Match words of the vocabulary, one after the other; a lattice of nothing else, four times as fast.

        Args:
            words: their numbers.
            skips: per word, the phrases (tuples of words) that begin with it and may be left out.
            node_chars: character offset of each word, and of the end.
            any_number: do not look at the limits of ranges.

        Returns:
            As :meth:`match`.
        """
        cdef int32_t n_words = len(words), n_edges = 0, i, k, length
        cdef tuple phrase
        if n_words >= 512:
            return None
        for i in range(n_words):
            self._edges[n_edges] = cv_edge(i, i + 1, 0, words[i], 0.0)
            n_edges += 1
            self._chars[i] = node_chars[i]
            self._boundary[i] = 1
            for phrase in skips.get(words[i], ()):
                length = len(phrase)
                if i + length > n_words:
                    continue
                for k in range(1, length):
                    if phrase[k] != words[i + k]:
                        break
                else:
                    if n_edges >= 4096 - 512:
                        return None
                    self._edges[n_edges] = cv_edge(i, i + length, 2, 0, 0.0)
                    n_edges += 1
        self._chars[n_words] = node_chars[n_words]
        self._boundary[n_words] = 1
        return self._run(n_edges, n_words + 1, any_number)

    cdef _run(self, int32_t n_edges, int32_t n_nodes, bint any_number):
        cdef int32_t count, i
        with nogil:
            count = cv_matcher_process(self._m, &self._a, self._edges, n_edges, self._chars,
                                       self._boundary, n_nodes, any_number)
        if count < 0:
            return None
        cdef const cv_final *finals = cv_matcher_finals(self._m)
        cdef const cv_thread *threads = cv_matcher_threads(self._m)
        cdef const cv_thread *thread
        parses = []
        for i in range(count):
            slots = []
            thread = &threads[finals[i].thread]
            while thread.parent >= 0:
                if thread.list_arc >= 0:
                    slots.append((thread.list_arc, thread.value, threads[thread.parent].node, thread.node))
                thread = &threads[thread.parent]
            slots.reverse()
            parses.append((finals[i].cost, finals[i].template_id, slots))
        parses.sort()
        return parses, cv_matcher_alive(self._m) > 0, cv_matcher_extends(self._m) > 0
