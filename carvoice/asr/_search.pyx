# distutils: sources = csrc/word_search.c
"""Cython over csrc/word_search.c: log-probabilities in, the best word sequences of a graph out."""

from libc.stdint cimport int32_t, uint32_t
from libc.stdlib cimport free, malloc

cdef extern from "word_search.h" nogil:
    ctypedef struct cv_search_state:
        pass
    ctypedef struct cv_search_arc:
        pass
    ctypedef struct cv_search_graph:
        const cv_search_state *states
        const cv_search_arc *arcs
        int32_t n_states, start, filler
    ctypedef struct cv_search_limits:
        float beam
        int32_t max_active
    ctypedef struct cv_search_step:
        int32_t previous, column, word, frame
    ctypedef struct cv_search_result:
        float cost
        int32_t last
        uint32_t words
    ctypedef struct cv_search:
        pass
    size_t cv_search_size(int32_t)
    int32_t cv_search_most_steps(const cv_search_limits *)
    cv_search *cv_search_init(void *, int32_t)
    int32_t cv_search_process(cv_search *, const cv_search_graph *, const cv_search_limits *, const float *,
                              int32_t, int32_t, cv_search_step *, cv_search_result *, int32_t)


cdef class WordSearch:
    """Searches one graph. Not thread-safe: one per thread.

    Args:
        states, arcs: as they lie in OpenFst's const format, 20 and 16 bytes each.
        start: the start state.
        filler: the word that makes no difference between two sequences.
        beam: nats a path may lie behind the best one.
        max_active: states kept from frame to frame.
    """

    cdef cv_search_graph _graph
    cdef cv_search_limits _limits
    cdef cv_search *_search
    cdef void *_memory
    cdef list _keep

    def __cinit__(self, const unsigned char[::1] states, const unsigned char[::1] arcs, int start,
                  int filler, float beam, int max_active):
        self._keep = [states, arcs]
        self._graph.states = <const cv_search_state *>&states[0]
        self._graph.arcs = <const cv_search_arc *>&arcs[0]
        self._graph.n_states = states.shape[0] // 20
        self._graph.start = start
        self._graph.filler = filler
        self._limits.beam = beam
        self._limits.max_active = max_active
        self._memory = malloc(cv_search_size(self._graph.n_states))
        if not self._memory:
            raise MemoryError
        self._search = cv_search_init(self._memory, self._graph.n_states)

    def __dealloc__(self):
        free(self._memory)

    def search(self, const float[:, ::1] rows, int n_best=16):
        """The cheapest word sequences for rows of log-probabilities (frames, columns).

        Returns:
            Per sequence (cost, steps), cheapest first; a step is (column, word, frame): the column
            entered at a frame, and the word that ends with it, 0 for none.
        """
        cdef cv_search_result results[64]
        cdef int32_t frames = rows.shape[0], columns = rows.shape[1], count, i, at
        cdef const float *first = &rows[0, 0] if frames else NULL
        cdef cv_search_step *steps
        if n_best > 64:
            n_best = 64
        steps = <cv_search_step *>malloc(
            (<size_t>frames + 1) * cv_search_most_steps(&self._limits) * sizeof(cv_search_step))
        if not steps:
            raise MemoryError
        try:
            with nogil:
                count = cv_search_process(self._search, &self._graph, &self._limits, first, frames, columns,
                                          steps, results, n_best)
            found = []
            for i in range(count):
                path = []
                at = results[i].last
                while at >= 0:
                    path.append((steps[at].column, steps[at].word, steps[at].frame))
                    at = steps[at].previous
                path.reverse()
                found.append((results[i].cost, path))
            return found
        finally:
            free(steps)
