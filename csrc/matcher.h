/* matcher.h: walk a word lattice through a compiled grammar.
 *
 * The automaton is a recursive transition network of depth two: word arcs, and list arcs that call a
 * trie. All paths are followed at once, position by position (the lock-step simulation of Thompson,
 * "Regular expression search algorithm", CACM 11(6), 1968), each with its cost; of paths that meet in
 * a state the cheapest stays (Viterbi). Nothing is allocated while matching.
 */
#ifndef CV_MATCHER_H
#define CV_MATCHER_H

#include <stddef.h>
#include <stdint.h>

enum { CV_LIST_TEXT = 0, CV_LIST_RANGE = 1, CV_LIST_WILDCARD = 2 };
enum { CV_EDGE_WORD = 0, CV_EDGE_NUMBER = 1, CV_EDGE_SKIP = 2 };

/* A list: a trie over word ids; node 0 is the root; arcs of a node are sorted by word. */
typedef struct {
    int32_t kind;
    const int32_t *arc_start, *arc_word, *arc_node;
    const int32_t *value_start, *value_at;
    int32_t start, stop, step, digits;
    const int32_t *hundredths;
    int32_t n_hundredths;
} cv_list;

typedef struct {
    int32_t n_states;
    const int32_t *arc_start, *arc_word, *arc_next, *arc_weight;
    const int32_t *list_start, *list_id, *list_slot, *list_next, *list_mask;
    const int32_t *final_start, *final_template;
    const uint8_t *after_wildcard;
    const uint8_t *const *masks;
    const cv_list *lists;
    /* Per word, and after the words for "a number" and "anything", `n_gates` words of 64 bits: the lists
     * that may begin there. One look at a row spares the tries of all other lists. NULL: look at all. */
    const uint64_t *gates;
    int32_t n_words, n_gates;
} cv_automaton;

/* What stands between two nodes of the lattice. Edges are sorted by `from`; from < to. */
typedef struct {
    int32_t from, to, kind, word;
    double number;
} cv_edge;

/* A partial parse: it is in `state` at lattice node `node`. `list_arc` is -1 after a word; `value` is
 * the value's index, CV_VALUE_TEXT for a wildcard, or CV_VALUE_EDGE - e for the number of edge e. */
enum { CV_VALUE_TEXT = -1, CV_VALUE_EDGE = -2 };
typedef struct {
    int64_t cost;
    int32_t state, node, parent, list_arc, value, next;
} cv_thread;

typedef struct {
    int64_t cost;
    int32_t thread, template_id;
} cv_final;

typedef struct cv_matcher cv_matcher;

/* Bytes of a matcher for an automaton of n_states; the lattice may have up to max_nodes nodes. */
size_t cv_matcher_size(int32_t n_states, int32_t max_nodes, int32_t max_threads, int32_t max_finals);
cv_matcher *cv_matcher_init(void *memory, int32_t n_states, int32_t max_nodes, int32_t max_threads,
                            int32_t max_finals);

/* Match. node_chars[i] is the character offset of node i, boundary[i] is 1 where a wildcard may begin
 * or end. With any_number set, the limits of ranges are not looked at: to tell a number that is too
 * large from words that are no command. Returns the number of complete parses, or -1 when the threads
 * ran out. */
int32_t cv_matcher_process(cv_matcher *m, const cv_automaton *a, const cv_edge *edges, int32_t n_edges,
                           const int32_t *node_chars, const uint8_t *boundary, int32_t n_nodes,
                           int32_t any_number);

const cv_thread *cv_matcher_threads(const cv_matcher *m);
const cv_final *cv_matcher_finals(const cv_matcher *m);
/* After _process: how many parses were alive at the last node, and whether any could go on. */
int32_t cv_matcher_alive(const cv_matcher *m);
int32_t cv_matcher_extends(const cv_matcher *m);

#endif
