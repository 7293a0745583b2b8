/* word_search.h: the best word sequences through a decoding graph, with their costs.
 *
 * Token passing (Young, Russell, Thornton, "Token passing: a simple conceptual model for connected speech
 * recognition systems", 1989) with beam and histogram pruning (Ney and Ortmanns, "Dynamic programming
 * search for continuous speech recognition", IEEE Signal Processing Magazine 16(5), 1999). Each state keeps
 * the few best tokens whose words differ, as in the sentence-dependent N-best search of Schwartz and Chow,
 * "The N-best algorithm", ICASSP 1990, cut off at CV_SEARCH_KEEP.
 */
#ifndef CV_WORD_SEARCH_H
#define CV_WORD_SEARCH_H

#include <stddef.h>
#include <stdint.h>

#define CV_SEARCH_KEEP 4     /* tokens per state whose words differ */
#define CV_SEARCH_SLOTS 16384 /* states reached in one frame, before pruning */

/* States and arcs as they lie in OpenFst's const format. Input label 0 takes no frame and writes no word;
 * any other stands for column ilabel - 1. */
typedef struct {
    float final_cost; /* infinite where no path may end */
    uint32_t first_arc, n_arcs, n_input_epsilons, n_output_epsilons;
} cv_search_state;

typedef struct {
    int32_t ilabel, olabel;
    float cost;
    int32_t next;
} cv_search_arc;

typedef struct {
    const cv_search_state *states;
    const cv_search_arc *arcs;
    int32_t n_states, start;
    int32_t filler; /* a word that makes no difference between two sequences */
} cv_search_graph;

typedef struct {
    float beam;         /* nats a token may lie behind the best one */
    int32_t max_active; /* states kept from frame to frame */
} cv_search_limits;

/* One step of a path: the column entered, the word written (0: none), and when. */
typedef struct {
    int32_t previous, column, word, frame;
} cv_search_step;

typedef struct {
    float cost;
    int32_t last; /* step, -1 for a path without any */
    uint32_t words;
} cv_search_result;

typedef struct cv_search cv_search;

size_t cv_search_size(int32_t n_states);
/* Steps taken by one frame at most. */
int32_t cv_search_most_steps(const cv_search_limits *limits);
cv_search *cv_search_init(void *memory, int32_t n_states);
/* Search rows of log-probabilities (frames x columns). `steps` has room for frames *
 * cv_search_most_steps. Returns how many results were written, the cheapest first. */
int32_t cv_search_process(cv_search *s, const cv_search_graph *graph, const cv_search_limits *limits,
                          const float *rows, int32_t frames, int32_t columns, cv_search_step *steps,
                          cv_search_result *results, int32_t max_results);

#endif
