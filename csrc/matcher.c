/* matcher.c: see matcher.h. */
#include "matcher.h"

#include "cv_arcs.h"
#include "cv_base.h"

#include <string.h>

/* Cost of a parse, smallest first: wildcards, then literal characters (the more the better), then the
 * characters wildcards swallow, then skipped words. One integer, compared as such. */
#define COST_WILDCARD ((int64_t)1 << 46)
#define COST_LITERAL ((int64_t)1 << 24)
#define COST_SWALLOWED ((int64_t)16)
#define COST_SKIP ((int64_t)1)

#define WALK_DEPTH 256
#define GATES 64 /* words of 64 bits: lists beyond are always looked at */

struct cv_matcher {
    int32_t n_states, max_nodes, max_threads, max_finals;
    int32_t n_threads, n_finals, alive, extends;
    int32_t era; /* stamps of earlier calls are below it */
    cv_thread *threads;
    cv_final *finals;
    int32_t *head, *tail; /* per node: list of the threads there, in order of arrival */
    int32_t *stamp, *place; /* per state: era + node it was last seen at, and its place in `active` */
    int32_t *active;
    int32_t *edge_start; /* per node: its first edge */
    uint64_t open[GATES]; /* per list, a bit: may one of its values begin at this node? */
};

static void lay_out(cv_matcher *m, cv_arena *arena, int32_t n_states, int32_t max_nodes,
                    int32_t max_threads, int32_t max_finals) {
    memset(m, 0, sizeof *m);
    m->n_states = n_states;
    m->max_nodes = max_nodes;
    m->max_threads = max_threads;
    m->max_finals = max_finals;
    m->threads = cv_take(arena, sizeof(cv_thread) * (size_t)max_threads);
    m->finals = cv_take(arena, sizeof(cv_final) * (size_t)max_finals);
    m->head = cv_take(arena, 4 * (size_t)max_nodes);
    m->tail = cv_take(arena, 4 * (size_t)max_nodes);
    m->stamp = cv_take(arena, 4 * (size_t)n_states);
    m->place = cv_take(arena, 4 * (size_t)n_states);
    m->active = cv_take(arena, 4 * (size_t)n_states);
    m->edge_start = cv_take(arena, 4 * ((size_t)max_nodes + 1));
}

size_t cv_matcher_size(int32_t n_states, int32_t max_nodes, int32_t max_threads, int32_t max_finals) {
    cv_arena arena = {NULL, 0};
    cv_matcher counted;
    cv_take(&arena, sizeof counted);
    lay_out(&counted, &arena, n_states, max_nodes, max_threads, max_finals);
    return arena.used;
}

cv_matcher *cv_matcher_init(void *memory, int32_t n_states, int32_t max_nodes, int32_t max_threads,
                            int32_t max_finals) {
    cv_arena arena = {memory, 0};
    cv_matcher *m = cv_take(&arena, sizeof(cv_matcher));
    lay_out(m, &arena, n_states, max_nodes, max_threads, max_finals);
    memset(m->stamp, 0, 4 * (size_t)n_states);
    return m;
}

/* Most of a parse's time goes by waiting for memory: what a thread needs next is asked for early. */
static void ask_for(const cv_matcher *m, const cv_automaton *a, int32_t state) {
    __builtin_prefetch(&m->stamp[state]);
    __builtin_prefetch(&a->arc_start[state]);
    __builtin_prefetch(&a->list_start[state]);
}

static int push(cv_matcher *m, int32_t node, int32_t state, int32_t parent, int32_t list_arc, int32_t value,
                int64_t cost) {
    if (m->n_threads >= m->max_threads) return 0;
    int32_t index = m->n_threads++;
    m->threads[index] = (cv_thread){cost, state, node, parent, list_arc, value, -1};
    if (m->head[node] < 0) {
        m->head[node] = index;
    } else {
        m->threads[m->tail[node]].next = index;
    }
    m->tail[node] = index;
    return 1;
}

static int in_range(const cv_list *list, double number) {
    if (!list->digits) return 0;
    double shifted = number * 100.0;
    int64_t hundredths = (int64_t)(shifted < 0 ? shifted - 0.5 : shifted + 0.5);
    double error = shifted - (double)hundredths;
    if (error > 1e-6 || error < -1e-6) return 0;
    int64_t whole = hundredths / 100;
    int64_t rest = hundredths % 100;
    if (rest < 0) { /* fractions count up from the whole number below */
        whole -= 1;
        rest += 100;
    }
    if (whole < list->start || whole > list->stop || (whole - list->start) % list->step != 0) return 0;
    if (rest == 0) return 1;
    for (int32_t i = 0; i < list->n_hundredths; i++) {
        if (list->hundredths[i] == rest) return 1;
    }
    return 0;
}

typedef struct {
    cv_matcher *m;
    const cv_automaton *a;
    const cv_edge *edges;
    const int32_t *node_chars;
    const uint8_t *boundary;
    int32_t n_nodes, any_number;
} walk;

/* Follow list arc `arc` from thread `t`; every value that fits becomes a thread. */
static int pass_list(const walk *w, int32_t t, int32_t arc) {
    cv_matcher *m = w->m;
    const cv_automaton *a = w->a;
    const int32_t id = a->list_id[arc];
    const cv_list *list = &a->lists[id];
    const int64_t cost = m->threads[t].cost;
    const int32_t node = m->threads[t].node;
    const int32_t then = a->list_next[arc];
    const int32_t last = w->n_nodes - 1;
    if (id < 64 * GATES && !(m->open[id >> 6] >> (id & 63) & 1)) return 1;
    if (list->kind == CV_LIST_WILDCARD) {
        if (!w->boundary[node]) return 1;
        m->extends = 1; /* a wildcard never has enough */
        for (int32_t to = node + 1; to <= last; to++) {
            if (!w->boundary[to]) continue;
            int64_t swallowed = w->node_chars[to] - w->node_chars[node];
            if (!push(m, to, then, t, arc, CV_VALUE_TEXT,
                      cost + COST_WILDCARD + swallowed * COST_SWALLOWED))
                return 0;
        }
        return 1;
    }
    if (list->kind == CV_LIST_RANGE) {
        for (int32_t e = m->edge_start[node]; e < m->edge_start[node + 1]; e++) {
            if (w->edges[e].kind != CV_EDGE_NUMBER) continue;
            if ((w->any_number && list->digits) || in_range(list, w->edges[e].number)) {
                if (!push(m, w->edges[e].to, then, t, arc, CV_VALUE_EDGE - e, cost)) return 0;
            }
        }
    }
    const uint8_t *mask = a->list_mask[arc] < 0 ? NULL : a->masks[a->list_mask[arc]];
    struct {
        int32_t trie, node, edge;
    } stack[WALK_DEPTH];
    int32_t depth = 1;
    stack[0].trie = 0;
    stack[0].node = node;
    stack[0].edge = m->edge_start[node];
    while (depth > 0) {
        int32_t here = stack[depth - 1].node;
        int32_t e = stack[depth - 1].edge++;
        if (here == last || e >= m->edge_start[here + 1]) {
            if (here == last && list->arc_start[stack[depth - 1].trie] <
                                    list->arc_start[stack[depth - 1].trie + 1]) {
                m->extends = 1;
            }
            depth--;
            continue;
        }
        if (w->edges[e].kind != CV_EDGE_WORD) continue;
        int32_t at = cv_find_arc(list->arc_start, list->arc_word, stack[depth - 1].trie, w->edges[e].word);
        if (at < 0) continue;
        int32_t trie = list->arc_node[at];
        for (int32_t v = list->value_start[trie]; v < list->value_start[trie + 1]; v++) {
            int32_t value = list->value_at[v];
            if (mask && !mask[value]) continue;
            if (!push(m, w->edges[e].to, then, t, arc, value, cost)) return 0;
        }
        if (depth < WALK_DEPTH) {
            stack[depth].trie = trie;
            stack[depth].node = w->edges[e].to;
            stack[depth].edge = w->edges[e].to < last ? m->edge_start[w->edges[e].to] : 0;
            depth++;
        }
    }
    return 1;
}

/* Find out which lists may begin at a node. */
static void open_gates(const walk *w, int32_t node) {
    cv_matcher *m = w->m;
    const cv_automaton *a = w->a;
    if (!a->gates) {
        memset(m->open, 0xff, sizeof m->open);
        return;
    }
    const int32_t width = a->n_gates < GATES ? a->n_gates : GATES;
    const uint64_t *number = a->gates + (size_t)a->n_words * (size_t)a->n_gates;
    memcpy(m->open, number + a->n_gates, 8 * (size_t)width);
    for (int32_t e = m->edge_start[node]; e < m->edge_start[node + 1]; e++) {
        const cv_edge *edge = &w->edges[e];
        const uint64_t *row = number;
        if (edge->kind == CV_EDGE_WORD) {
            if (edge->word < 0 || edge->word >= a->n_words) continue; /* no list begins with it */
            row = a->gates + (size_t)edge->word * (size_t)a->n_gates;
        } else if (edge->kind != CV_EDGE_NUMBER) {
            continue;
        }
        for (int32_t i = 0; i < width; i++) m->open[i] |= row[i];
    }
}

/* Let thread `t` go on from its node. */
static int advance(const walk *w, int32_t t) {
    cv_matcher *m = w->m;
    const cv_automaton *a = w->a;
    const cv_thread from = m->threads[t];
    const int32_t low = a->arc_start[from.state], high = a->arc_start[from.state + 1];
    for (int32_t e = m->edge_start[from.node]; e < m->edge_start[from.node + 1]; e++) {
        const cv_edge *edge = &w->edges[e];
        if (edge->kind == CV_EDGE_SKIP) {
            if (a->after_wildcard[from.state]) continue;
            if (!push(m, edge->to, from.state, t, -1, 0, from.cost + COST_SKIP)) return 0;
        } else if (edge->kind == CV_EDGE_WORD) {
            for (int32_t i = cv_first_arc(a->arc_word, low, high, edge->word);
                 i < high && a->arc_word[i] == edge->word; i++) {
                if (!push(m, edge->to, a->arc_next[i], t, -1, 0,
                          from.cost - a->arc_weight[i] * COST_LITERAL))
                    return 0;
            }
        }
    }
    for (int32_t i = a->list_start[from.state]; i < a->list_start[from.state + 1]; i++) {
        if (!pass_list(w, t, i)) return 0;
    }
    return 1;
}

/* Gather the threads at a node into `active`, of each state the cheapest; the first of equals. */
static int32_t gather(cv_matcher *m, const cv_automaton *a, int32_t node) {
    int32_t count = 0;
    for (int32_t t = m->head[node]; t >= 0; t = m->threads[t].next) ask_for(m, a, m->threads[t].state);
    for (int32_t t = m->head[node]; t >= 0; t = m->threads[t].next) {
        int32_t state = m->threads[t].state;
        if (m->stamp[state] != m->era + node) {
            m->stamp[state] = m->era + node;
            m->place[state] = count;
            m->active[count++] = t;
        } else if (m->threads[t].cost < m->threads[m->active[m->place[state]]].cost) {
            m->active[m->place[state]] = t;
        }
    }
    for (int32_t i = 0; i < count; i++) {
        const int32_t state = m->threads[m->active[i]].state;
        __builtin_prefetch(&a->arc_word[(a->arc_start[state] + a->arc_start[state + 1]) / 2]);
        __builtin_prefetch(&a->list_id[a->list_start[state]]);
    }
    return count;
}

int32_t cv_matcher_process(cv_matcher *m, const cv_automaton *a, const cv_edge *edges, int32_t n_edges,
                           const int32_t *node_chars, const uint8_t *boundary, int32_t n_nodes,
                           int32_t any_number) {
    walk w = {m, a, edges, node_chars, boundary, n_nodes, any_number};
    const int32_t last = n_nodes - 1;
    m->n_threads = m->n_finals = m->alive = m->extends = 0;
    if (n_nodes < 1 || n_nodes > m->max_nodes) return -1;
    for (int32_t i = 0; i < n_nodes; i++) m->head[i] = m->tail[i] = -1;
    if (m->era > INT32_MAX - 2 * m->max_nodes) {
        memset(m->stamp, 0, 4 * (size_t)m->n_states);
        m->era = 0;
    }
    m->era += m->max_nodes;
    for (int32_t node = 0, e = 0; node <= n_nodes; node++) {
        while (e < n_edges && edges[e].from < node) e++;
        m->edge_start[node] = e;
    }
    if (!push(m, 0, 0, -1, -1, 0, 0)) return -1;
    for (int32_t node = 0; node < last; node++) {
        int32_t count = gather(m, a, node);
        open_gates(&w, node);
        for (int32_t i = 0; i < count; i++) {
            if (!advance(&w, m->active[i])) return -1;
        }
    }
    m->alive = gather(m, a, last);
    for (int32_t i = 0; i < m->alive; i++) {
        int32_t t = m->active[i], state = m->threads[t].state;
        if (a->arc_start[state] < a->arc_start[state + 1] || a->list_start[state] < a->list_start[state + 1])
            m->extends = 1;
        for (int32_t f = a->final_start[state]; f < a->final_start[state + 1]; f++) {
            if (m->n_finals < m->max_finals)
                m->finals[m->n_finals++] = (cv_final){m->threads[t].cost, t, a->final_template[f]};
        }
    }
    return m->n_finals;
}

const cv_thread *cv_matcher_threads(const cv_matcher *m) { return m->threads; }
const cv_final *cv_matcher_finals(const cv_matcher *m) { return m->finals; }
int32_t cv_matcher_alive(const cv_matcher *m) { return m->alive; }
int32_t cv_matcher_extends(const cv_matcher *m) { return m->extends; }
