/* word_search.c: see word_search.h. */
#include "word_search.h"

#include <math.h>
#include <string.h>

typedef struct {
    float cost;
    uint32_t words;   /* hash of the words so far */
    int32_t previous; /* the step before the pending one */
    int32_t column, word; /* pending step; column 0 and word 0: none */
} token;

typedef struct {
    int32_t state, n_tokens, is_queued;
    token tokens[CV_SEARCH_KEEP]; /* cheapest first */
} slot;

struct cv_search {
    slot fronts[2][CV_SEARCH_SLOTS];
    int32_t queue[CV_SEARCH_SLOTS];
    float costs[CV_SEARCH_SLOTS];
    int32_t n_next;
    float best;
    slot *next;
    int32_t *slot_of; /* per state, -1: none */
};

static size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

size_t cv_search_size(int32_t n_states) {
    return aligned(sizeof(cv_search)) + aligned((size_t)n_states * sizeof(int32_t));
}

int32_t cv_search_most_steps(const cv_search_limits *limits) {
    return limits->max_active * CV_SEARCH_KEEP;
}

cv_search *cv_search_init(void *memory, int32_t n_states) {
    cv_search *s = memory;
    s->slot_of = (int32_t *)((char *)memory + aligned(sizeof(cv_search)));
    memset(s->slot_of, 0xff, (size_t)n_states * sizeof(int32_t));
    return s;
}

static uint32_t with_word(uint32_t words, int32_t word) {
    uint32_t mixed = words * 0x85ebca6bu + (uint32_t)word * 0x9e3779b1u;
    mixed = (mixed ^ (mixed >> 16)) * 0xc2b2ae35u;
    return mixed ^ (mixed >> 13);
}

/* Put a token into a state of the next front, if it is among the best there. */
static int32_t relax(cv_search *s, int32_t state, token coming) {
    int32_t at = s->slot_of[state];
    if (at < 0) {
        if (s->n_next == CV_SEARCH_SLOTS) return -1;
        at = s->slot_of[state] = s->n_next++;
        s->next[at].state = state;
        s->next[at].n_tokens = 0;
        s->next[at].is_queued = 0;
    }
    slot *here = &s->next[at];
    int32_t n = here->n_tokens, same = n;
    for (int32_t k = 0; k < n; k++) {
        if (here->tokens[k].words == coming.words) {
            if (here->tokens[k].cost <= coming.cost) return -1;
            same = k;
            break;
        }
    }
    if (same == n) {
        if (n == CV_SEARCH_KEEP) {
            if (here->tokens[n - 1].cost <= coming.cost) return -1;
            same = n - 1;
        } else {
            here->n_tokens = n + 1;
        }
    }
    while (same > 0 && here->tokens[same - 1].cost > coming.cost) {
        here->tokens[same] = here->tokens[same - 1];
        same--;
    }
    here->tokens[same] = coming;
    if (coming.cost < s->best) s->best = coming.cost;
    return at;
}

/* Follow the arcs that take no frame. */
static void close_epsilons(cv_search *s, const cv_search_graph *graph, float beam) {
    int32_t n_queued = 0;
    for (int32_t at = 0; at < s->n_next; at++) {
        if (graph->states[s->next[at].state].n_input_epsilons) {
            s->queue[n_queued++] = at;
            s->next[at].is_queued = 1;
        }
    }
    while (n_queued) {
        slot *from = &s->next[s->queue[--n_queued]];
        from->is_queued = 0;
        const cv_search_state *state = &graph->states[from->state];
        const cv_search_arc *arc = graph->arcs + state->first_arc;
        for (uint32_t i = 0; i < state->n_arcs; i++, arc++) {
            if (arc->ilabel) continue;
            for (int32_t k = 0; k < from->n_tokens; k++) {
                token coming = from->tokens[k];
                coming.cost += arc->cost;
                if (coming.cost > s->best + beam) break;
                int32_t at = relax(s, arc->next, coming);
                if (at >= 0 && !s->next[at].is_queued && graph->states[arc->next].n_input_epsilons) {
                    s->queue[n_queued++] = at;
                    s->next[at].is_queued = 1;
                }
            }
        }
    }
}

/* The n-th smallest of costs (Hoare's quickselect); reorders them. */
static float nth_smallest(float *costs, int32_t count, int32_t n) {
    int32_t low = 0, high = count - 1;
    while (low < high) {
        float pivot = costs[(low + high) / 2];
        int32_t i = low, j = high;
        while (i <= j) {
            while (costs[i] < pivot) i++;
            while (costs[j] > pivot) j--;
            if (i <= j) {
                float held = costs[i];
                costs[i++] = costs[j];
                costs[j--] = held;
            }
        }
        if (n <= j) high = j;
        else if (n >= i) low = i;
        else break;
    }
    return costs[n];
}

/* Drop what lies behind, and write the pending steps of the rest. Returns the number of steps. */
static int32_t settle(cv_search *s, const cv_search_limits *limits, cv_search_step *steps, int32_t n_steps,
                      int32_t frame) {
    float limit = s->best + limits->beam;
    if (s->n_next > limits->max_active) {
        for (int32_t at = 0; at < s->n_next; at++) s->costs[at] = s->next[at].tokens[0].cost;
        limit = fminf(limit, nth_smallest(s->costs, s->n_next, limits->max_active - 1));
    }
    int32_t kept = 0;
    for (int32_t at = 0; at < s->n_next; at++) {
        slot *here = &s->next[at];
        s->slot_of[here->state] = -1;
        while (here->n_tokens && here->tokens[here->n_tokens - 1].cost > limit) here->n_tokens--;
        if (!here->n_tokens || kept == limits->max_active) continue;
        for (int32_t k = 0; k < here->n_tokens; k++) {
            token *one = &here->tokens[k];
            if (!one->column) continue;
            steps[n_steps] = (cv_search_step){one->previous, one->column, one->word, frame};
            one->previous = n_steps++;
            one->column = one->word = 0;
        }
        if (kept != at) s->next[kept] = *here;
        kept++;
    }
    s->n_next = kept;
    return n_steps;
}

static int32_t collect(const cv_search *s, const cv_search_graph *graph, cv_search_result *results,
                       int32_t max_results) {
    int32_t count = 0;
    for (int32_t at = 0; at < s->n_next; at++) {
        float final_cost = graph->states[s->next[at].state].final_cost;
        if (!(final_cost < INFINITY)) continue;
        for (int32_t k = 0; k < s->next[at].n_tokens; k++) {
            const token *one = &s->next[at].tokens[k];
            float cost = one->cost + final_cost;
            int32_t place = count;
            for (int32_t i = 0; i < count; i++)
                if (results[i].words == one->words) place = i;
            if (place < count && results[place].cost <= cost) continue;
            if (place == count) {
                if (count == max_results) {
                    if (results[count - 1].cost <= cost) continue;
                    place = count - 1;
                } else {
                    count++;
                }
            }
            while (place > 0 && results[place - 1].cost > cost) {
                results[place] = results[place - 1];
                place--;
            }
            results[place] = (cv_search_result){cost, one->previous, one->words};
        }
    }
    return count;
}

int32_t cv_search_process(cv_search *s, const cv_search_graph *graph, const cv_search_limits *limits,
                          const float *rows, int32_t frames, int32_t columns, cv_search_step *steps,
                          cv_search_result *results, int32_t max_results) {
    int32_t n_steps = 0;
    s->n_next = 0;
    s->best = INFINITY;
    s->next = s->fronts[0];
    relax(s, graph->start, (token){0.0f, 0x811c9dc5u, -1, 0, 0});
    close_epsilons(s, graph, limits->beam);
    n_steps = settle(s, limits, steps, n_steps, -1);
    for (int32_t frame = 0; frame < frames; frame++) {
        const float *row = rows + (size_t)frame * columns;
        const slot *front = s->next;
        int32_t n_front = s->n_next;
        s->next = s->fronts[(frame + 1) % 2];
        s->n_next = 0;
        s->best = INFINITY;
        for (int32_t at = 0; at < n_front; at++) {
            const slot *from = &front[at];
            const cv_search_state *state = &graph->states[from->state];
            const cv_search_arc *arc = graph->arcs + state->first_arc;
            for (uint32_t i = 0; i < state->n_arcs; i++, arc++) {
                if (!arc->ilabel) continue;
                float cost = arc->cost - row[arc->ilabel - 1];
                /* Staying in a state holds its column; the blank, column 0, is never a step. */
                int32_t enters = arc->ilabel > 1 && arc->next != from->state;
                for (int32_t k = 0; k < from->n_tokens; k++) {
                    token coming = from->tokens[k];
                    coming.cost += cost;
                    if (!(coming.cost <= s->best + limits->beam)) break;
                    if (enters) {
                        coming.column = arc->ilabel - 1;
                        coming.word = arc->olabel;
                        if (arc->olabel && arc->olabel != graph->filler)
                            coming.words = with_word(coming.words, arc->olabel);
                    }
                    relax(s, arc->next, coming);
                }
            }
        }
        close_epsilons(s, graph, limits->beam);
        n_steps = settle(s, limits, steps, n_steps, frame);
    }
    int32_t count = collect(s, graph, results, max_results);
    return count;
}
