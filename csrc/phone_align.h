/* phone_align.h: the cheapest sentences of a grammar for a row of heard phones.
 *
 * An error-correcting parse in the sense of Aho and Peterson, "A minimum distance error-correcting
 * parser for context-free languages", SIAM J. Comput. 1(4), 1972, for a finite automaton over words.
 * Words are compared by weighted edit distance of their phones (Wagner and Fischer, "The string-to-
 * string correction problem", JACM 21(1), 1974) along a trie of all pronunciations, from each phone at
 * which a word may begin; the automaton then goes from position to position as in Viterbi beam search,
 * keeping in each state the few cheapest parses that differ in their words. A parse is dropped when it is
 * more than the beam above the cheapest one that has come as far or farther.
 */
#ifndef CV_PHONE_ALIGN_H
#define CV_PHONE_ALIGN_H

#include <stddef.h>
#include <stdint.h>

#define CV_ALIGN_SYMBOLS 64 /* phones or letters */
#define CV_ALIGN_WINDOW 28  /* heard phones one word may cover */
#define CV_ALIGN_DROPPABLE 4  /* words of so many phones may go unheard */
#define CV_ALIGN_KEEP 4     /* parses kept per state and position */
#define CV_ALIGN_MAX_HEARD 400
#define CV_ALIGN_MAX_DEPTH 24 /* phones of a word; longer ones are cut by the caller */

typedef struct {
    float substitute[CV_ALIGN_SYMBOLS * CV_ALIGN_SYMBOLS]; /* [meant * SYMBOLS + heard] */
    float drop[CV_ALIGN_SYMBOLS];                          /* meant but not heard */
    float insert[CV_ALIGN_SYMBOLS];                        /* heard but not meant */
    float word_limit_base, word_limit_slope; /* a word may cost base + slope * phones at most */
    float word_beam;                         /* added to the beam within a word */
    float wildcard, wildcard_word;
} cv_align_costs;

/* Trie of pronunciations in preorder; node 0 is the root. skip[n] is the first node after n's subtree. */
typedef struct {
    int32_t n_nodes;
    const uint8_t *phone, *depth;
    const int32_t *skip, *word_start, *word_at;
    const int32_t *parent;               /* per node */
    const int32_t *leaf_start, *leaf_at; /* per word: the nodes its pronunciations end in */
    const uint8_t *shortest;             /* per word: phones of its shortest pronunciation */
    const float *drop_word;              /* per word: its cost when no phone of it was heard */
} cv_align_trie;

/* A word automaton; arcs of a state stand together, sorted by word. Several may have the same word. */
typedef struct {
    int32_t n_states, start, n_words, wildcard;
    const int32_t *arc_start, *arc_word, *arc_next;
    const uint8_t *is_final;
} cv_align_graph;

/* What was heard: phones, and the words they came from. word_from/word_to are positions between phones;
 * word_id is the word in the vocabulary or -1; skip_cost what it costs to leave the word out, lost_cost what
 * it costs on top to hear anything else in it that does not sound the same. weight is per phone how much
 * it counts (1: as the costs say; less where the recognizer was in doubt). limit: what a parse may cost at
 * most. beam: parses so much worse than the cheapest that has come as far are dropped. */
typedef struct {
    const uint8_t *phones;
    const float *weight;
    int32_t n_phones, n_words;
    const int32_t *word_from, *word_to, *word_id;
    const float *skip_cost, *lost_cost;
    float limit, beam;
} cv_align_heard;

/* A parse: `word` was put for the phones from `from` to `to`; -2 - w marks heard word w left out,
 * and a word number of n_words or more, (n_words + w), heard word w passed by a wildcard. */
typedef struct {
    float cost;
    int32_t previous, word, from, to, state, is_expanded;
    uint32_t history;
} cv_align_token;

typedef struct cv_align cv_align;

size_t cv_align_size(int32_t n_states, int32_t n_words, int32_t n_nodes, int32_t max_tokens);
cv_align *cv_align_init(void *memory, int32_t n_states, int32_t n_words, int32_t n_nodes,
                        int32_t max_tokens);
/* Returns how many complete parses were found; `best` receives up to max_best tokens, cheapest first. */
int32_t cv_align_process(cv_align *s, const cv_align_costs *costs, const cv_align_trie *trie,
                         const cv_align_graph *graph, const cv_align_heard *heard, int32_t *best,
                         int32_t max_best);
const cv_align_token *cv_align_tokens(const cv_align *s);
int32_t cv_align_n_tokens(const cv_align *s);

#endif
