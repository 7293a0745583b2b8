/* cv_arcs.h: arcs of a word automaton, sorted by word within a state; what its walkers share. */
#ifndef CV_ARCS_H
#define CV_ARCS_H

#include <stdint.h>

/* First index in [low, high) whose word is >= `word`; `high` if there is none. */
static inline int32_t cv_first_arc(const int32_t *words, int32_t low, int32_t high, int32_t word) {
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (words[middle] < word) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The first arc of `state` with this word, or -1. */
static inline int32_t cv_find_arc(const int32_t *starts, const int32_t *words, int32_t state, int32_t word) {
    const int32_t at = cv_first_arc(words, starts[state], starts[state + 1], word);
    return at < starts[state + 1] && words[at] == word ? at : -1;
}

#endif
