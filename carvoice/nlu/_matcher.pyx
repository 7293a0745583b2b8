# distutils: sources = csrc/matcher.c
"""Cython over csrc/matcher.c: a word lattice in, complete parses with their slots out."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp

cdef extern from "Python.h":
    int PyUnicode_KIND(object)
    int PyUnicode_1BYTE_KIND
    uint8_t *PyUnicode_1BYTE_DATA(object)
    Py_ssize_t PyUnicode_GET_LENGTH(object)

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
        const uint64_t *gates
        int32_t n_words, n_gates
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


cdef struct word_entry:
    uint32_t hashed
    int32_t word  # -1 for an empty place
    int32_t at, length  # its letters


cdef uint32_t _hash(const uint8_t *letters, Py_ssize_t length) noexcept nogil:
    """FNV-1a (Fowler, Noll, Vo), 32 bits."""
    cdef uint32_t found = 2166136261u
    cdef Py_ssize_t i
    for i in range(length):
        found = (found ^ letters[i]) * 16777619u
    return found


cdef class Matcher:
    """Matches texts and lattices against one automaton. Not thread-safe: one per thread."""

    cdef cv_automaton _a
    cdef cv_list *_lists
    cdef const uint8_t **_masks
    cdef void *_memory
    cdef cv_matcher *_m
    cdef cv_edge *_edges
    cdef int32_t _chars[512]
    cdef int32_t _ends[512]
    cdef int32_t _words[512]
    cdef uint8_t _boundary[512]
    cdef uint8_t _lower[256]  # 0 for a letter that needs a closer look
    cdef uint64_t *_gates
    cdef word_entry *_table  # of the words that are plain letters, by their hash
    cdef uint32_t _table_mask
    cdef uint8_t *_letters
    cdef int32_t *_skip_start  # per word, where the phrases that begin with it and may be left out begin
    cdef int32_t *_skip_word  # their words, and -1 behind each
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
        self._learn_words(automaton.vocabulary)
        self._learn_skips(automaton.skip_phrases, len(automaton.vocabulary))
        self._set_gates(len(automaton.vocabulary), n_lists)

    cdef int _set_gates(self, int32_t n_words, int32_t n_lists) except -1:
        cdef int32_t width = (n_lists + 63) // 64, i, arc
        cdef uint64_t bit
        cdef cv_list *program
        self._gates = <uint64_t *>calloc(max(1, (n_words + 2) * width), sizeof(uint64_t))
        if not self._gates:
            raise MemoryError
        for i in range(n_lists):
            program = &self._lists[i]
            bit = <uint64_t>1 << (i % 64)
            if program.kind == 2:
                self._gates[(n_words + 1) * width + i // 64] |= bit
                continue
            if program.kind == 1:
                self._gates[n_words * width + i // 64] |= bit
            if program.arc_word != NULL:
                for arc in range(program.arc_start[0], program.arc_start[1]):
                    self._gates[program.arc_word[arc] * width + i // 64] |= bit
        self._a.gates, self._a.n_words, self._a.n_gates = self._gates, n_words, width

    cdef int _learn_words(self, dict vocabulary) except -1:
        cdef uint32_t size = 4, place
        cdef int32_t at = 0, i
        cdef list plain = []
        cdef bytes letters
        for i in range(256):  # what carvoice.grammar.words.tokenize would do to it
            letter = chr(i)
            self._lower[i] = ord(letter.lower()) if letter.isalpha() or letter == "'" or letter == " " else 0
        for i in range(256):  # letters whose small form is none of these, or which may be written otherwise
            if self._lower[i] and i > 127 and not (192 <= i and i != 255):
                self._lower[i] = 0
        for word, number in vocabulary.items():
            if word.replace("'", "").isalpha():
                try:
                    plain.append((word.encode("latin-1"), number))
                except UnicodeEncodeError:
                    pass
        while size < 3 * len(plain):
            size *= 2
        self._table_mask = size - 1
        self._table = <word_entry *>malloc(size * sizeof(word_entry))
        self._letters = <uint8_t *>malloc(1 + sum(len(item) for item, _ in plain))
        if not (self._table and self._letters):
            raise MemoryError
        for place in range(size):
            self._table[place].word = -1
        for letters, number in plain:
            for i in range(len(letters)):
                self._letters[at + i] = letters[i]
            place = _hash(&self._letters[at], len(letters))
            entry = word_entry(place, number, at, len(letters))
            while self._table[place & self._table_mask].word >= 0:
                place += 1
            self._table[place & self._table_mask] = entry
            at += len(letters)

    cdef int _learn_skips(self, phrases, int32_t n_words) except -1:
        cdef int32_t at = 0, word
        cdef dict begin = {}
        cdef int32_t total = 0
        for phrase in sorted(phrases, key=len):
            begin.setdefault(phrase[0], []).append(phrase)
            total += len(phrase) + 1
        self._skip_start = <int32_t *>malloc((n_words + 1) * sizeof(int32_t))
        self._skip_word = <int32_t *>malloc(max(1, total) * sizeof(int32_t))
        if not (self._skip_start and self._skip_word):
            raise MemoryError
        for word in range(n_words):
            self._skip_start[word] = at
            for phrase in begin.get(word, ()):
                for item in phrase:
                    self._skip_word[at] = item
                    at += 1
                self._skip_word[at] = -1
                at += 1
        self._skip_start[n_words] = at

    cdef int32_t _read(self, const uint8_t *text, Py_ssize_t size) noexcept nogil:
        """Number of words of a text, in _words with their places; -1 if one is not plain or not known."""
        cdef uint8_t word[64]
        cdef int32_t count = 0
        cdef Py_ssize_t at = 0, length
        cdef uint32_t hashed, place
        cdef word_entry *entry
        while True:
            while at < size and text[at] == 32:
                at += 1
            if at == size:
                break
            if count == 511:
                return -1
            self._chars[count] = <int32_t>at
            length = 0
            while at < size and text[at] != 32:
                word[length] = self._lower[text[at]]
                if not word[length] or length == 63:
                    return -1
                length += 1
                at += 1
            hashed = _hash(word, length)
            place = hashed
            while True:
                entry = &self._table[place & self._table_mask]
                if entry.word < 0:
                    return -1
                if (entry.hashed == hashed and entry.length == length
                        and memcmp(&self._letters[entry.at], word, length) == 0):
                    break
                place += 1
            self._words[count] = entry.word
            count += 1
            self._ends[count] = <int32_t>at
        self._chars[count] = <int32_t>size
        self._ends[0] = 0
        return count

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
        free(self._gates)
        free(self._table)
        free(self._letters)
        free(self._skip_start)
        free(self._skip_word)

    def match(self, list edges, list starts, list ends, list boundary, bint any_number=False):
        """Match a lattice.

        Args:
            edges: (from, to, kind, word, number) tuples sorted by ``from``.
            starts: per node, character offset at which the text after it begins.
            ends: per node, character offset at which the text before it ends.
            boundary: 1 for nodes at which a wildcard may begin and end.
            any_number: do not look at the limits of ranges.

        Returns:
            (complete parses, cheapest first, whether any parse is alive, whether one could go on). A
            parse is (cost, template, slots in order); a slot is (list, slot, value, start, end), the last
            two characters in the text.
            None when the lattice is too large or stands for too many parses.
        """
        cdef int32_t n_edges = len(edges), n_nodes = len(starts), i
        if n_edges > 4096 or n_nodes > 512:
            return None
        for i in range(n_edges):
            (self._edges[i].from_, self._edges[i].to, self._edges[i].kind, self._edges[i].word,
             self._edges[i].number) = edges[i]
        for i in range(n_nodes):
            self._chars[i] = starts[i]
            self._ends[i] = ends[i]
            self._boundary[i] = boundary[i]
        return self._run(n_edges, n_nodes, any_number)

    def match_text(self, str text, bint any_number=False):
        """Match a text of nothing but words of the vocabulary: no lattice is needed, and no Python.

        Args:
            text: what was said.
            any_number: do not look at the limits of ranges.

        Returns:
            As :meth:`match`; None also when it has words that are not known, digits or signs.
        """
        cdef int32_t n_words, n_edges = 0, i, k, at, end
        if PyUnicode_KIND(text) != PyUnicode_1BYTE_KIND:
            return None
        n_words = self._read(PyUnicode_1BYTE_DATA(text), PyUnicode_GET_LENGTH(text))
        if n_words <= 0:
            return None
        for i in range(n_words):
            self._edges[n_edges] = cv_edge(i, i + 1, 0, self._words[i], 0.0)
            n_edges += 1
            self._boundary[i] = 1
            at, end = self._skip_start[self._words[i]], self._skip_start[self._words[i] + 1]
            while at < end:
                k = 0
                while self._skip_word[at + k] >= 0 and i + k < n_words and (
                    self._skip_word[at + k] == self._words[i + k]
                ):
                    k += 1
                if self._skip_word[at + k] < 0:
                    if n_edges >= 4096 - 512:
                        return None
                    self._edges[n_edges] = cv_edge(i, i + k, 2, 0, 0.0)
                    n_edges += 1
                at += k
                while self._skip_word[at] >= 0:
                    at += 1
                at += 1
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
        cdef int32_t arc
        parses = []
        for i in range(count):
            slots = []
            thread = &threads[finals[i].thread]
            while thread.parent >= 0:
                arc = thread.list_arc
                if arc >= 0:
                    slots.append((self._a.list_id[arc], self._a.list_slot[arc], thread.value,
                                  self._chars[threads[thread.parent].node], self._ends[thread.node]))
                thread = &threads[thread.parent]
            slots.reverse()
            parses.append((finals[i].cost, finals[i].template_id, slots))
        if count > 1:
            parses.sort()
        return parses, cv_matcher_alive(self._m) > 0, cv_matcher_extends(self._m) > 0
