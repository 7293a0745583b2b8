/* phone_align.c: see phone_align.h. */
#include "phone_align.h"

#include "cv_arcs.h"
#include "cv_base.h"

#include <string.h>

#define RING (CV_ALIGN_WINDOW + 1)
#define MAX_MATCHES 65536
#define HUGE_COST 1e9f
#define LEVELS 16 /* of cost, by which the parses at a position are sorted */

typedef struct {
    int32_t token[CV_ALIGN_KEEP];
    int32_t count, position; /* era + position of the tokens; anything else is stale */
} cell;

typedef struct {
    float cost;
    int32_t length, next;
} match;

/* One row of an edit distance. cell[k + 1] belongs to k heard phones; cells outside of low..high, and one
 * more on either side, are HUGE_COST. */
typedef struct {
    int32_t low, high;
    float cell[CV_ALIGN_WINDOW + 3];
} row;

struct cv_align {
    int32_t n_states, n_words, max_tokens, n_tokens, n_matches;
    int32_t era;   /* marks cells of earlier calls as stale */
    int32_t fresh; /* parses offered at the position being expanded */
    int32_t at;
    float beam;
    cv_align_token *tokens;
    cell *cells;     /* [RING][n_states] */
    int32_t *active; /* [RING][n_states]: states met at a position */
    int32_t n_active[RING];
    int32_t *first_match; /* per word */
    int32_t *matched_at;  /* per word: position + 1 its matches belong to */
    match *matches;
    float ahead[CV_ALIGN_MAX_HEARD + 2]; /* cheapest parse at each position or a later one */
    float lost[CV_ALIGN_MAX_HEARD + 2];  /* lost_cost of all words that begin before a position */
    float insert[CV_ALIGN_MAX_HEARD];    /* per phone heard */
    float *swap;                         /* [SYMBOLS][MAX_HEARD]: meant, position heard */
    row rows[CV_ALIGN_MAX_DEPTH + 1];
    int32_t want; /* stamp of the states, words and trie nodes wanted at a position */
    int32_t *wanted, *wanted_word, *wanted_state;
    float *node_slack, *word_slack; /* how far the cheapest parse that wants it is behind the cheapest of all */
    float *state_cost;
    int32_t *waiting, *in_order; /* states whose words are wanted */
    int32_t n_waiting;
};

static void lay_out(cv_align *s, cv_arena *arena, int32_t n_states, int32_t n_words, int32_t n_nodes,
                    int32_t max_tokens) {
    memset(s, 0, sizeof *s);
    s->n_states = n_states;
    s->n_words = n_words;
    s->max_tokens = max_tokens;
    s->tokens = cv_take(arena, sizeof(cv_align_token) * (size_t)max_tokens);
    s->cells = cv_take(arena, sizeof(cell) * RING * (size_t)n_states);
    s->active = cv_take(arena, 4 * RING * (size_t)n_states);
    s->first_match = cv_take(arena, 4 * ((size_t)n_words + 1));
    s->matched_at = cv_take(arena, 4 * ((size_t)n_words + 1));
    s->matches = cv_take(arena, sizeof(match) * MAX_MATCHES);
    s->swap = cv_take_floats(arena, (size_t)CV_ALIGN_SYMBOLS * CV_ALIGN_MAX_HEARD);
    s->wanted = cv_take(arena, 4 * (size_t)n_nodes);
    s->wanted_word = cv_take(arena, 4 * ((size_t)n_words + 1));
    s->wanted_state = cv_take(arena, 4 * (size_t)n_states);
    s->node_slack = cv_take_floats(arena, (size_t)n_nodes);
    s->word_slack = cv_take_floats(arena, (size_t)n_words + 1);
    s->state_cost = cv_take_floats(arena, (size_t)n_states);
    s->waiting = cv_take(arena, 4 * (size_t)n_states);
    s->in_order = cv_take(arena, 4 * (size_t)n_states);
}

size_t cv_align_size(int32_t n_states, int32_t n_words, int32_t n_nodes, int32_t max_tokens) {
    cv_arena arena = {NULL, 0};
    cv_align counted;
    cv_take(&arena, sizeof counted);
    lay_out(&counted, &arena, n_states, n_words, n_nodes, max_tokens);
    return arena.used;
}

cv_align *cv_align_init(void *memory, int32_t n_states, int32_t n_words, int32_t n_nodes,
                        int32_t max_tokens) {
    cv_arena arena = {memory, 0};
    cv_align *s = cv_take(&arena, sizeof(cv_align));
    lay_out(s, &arena, n_states, n_words, n_nodes, max_tokens);
    memset(s->wanted, 0, 4 * (size_t)n_nodes);
    memset(s->wanted_word, 0, 4 * ((size_t)n_words + 1));
    memset(s->wanted_state, 0, 4 * (size_t)n_states);
    return s;
}

/* Offer a parse that stands in `state` after `to` phones. */
static void offer(cv_align *s, int32_t state, int32_t to, float cost, int32_t previous, int32_t word,
                  int32_t from, uint32_t history) {
    if (cost > s->ahead[to] + s->beam) return;
    const int32_t slot = to % RING;
    cell *here = &s->cells[(size_t)slot * (size_t)s->n_states + (size_t)state];
    if (here->position != s->era + to) {
        here->position = s->era + to;
        here->count = 0;
        s->active[(size_t)slot * (size_t)s->n_states + (size_t)s->n_active[slot]++] = state;
    }
    int32_t place = -1;
    for (int32_t i = 0; i < here->count; i++) {
        if (s->tokens[here->token[i]].history == history) {
            if (s->tokens[here->token[i]].cost <= cost) return;
            place = i;
            break;
        }
    }
    if (place < 0) {
        if (here->count < CV_ALIGN_KEEP) {
            if (s->n_tokens >= s->max_tokens) return;
            place = here->count++;
            here->token[place] = s->n_tokens++;
        } else {
            place = 0;
            for (int32_t i = 1; i < here->count; i++) {
                if (s->tokens[here->token[i]].cost > s->tokens[here->token[place]].cost) place = i;
            }
            if (s->tokens[here->token[place]].cost <= cost) return;
            if (s->n_tokens >= s->max_tokens) return;
            here->token[place] = s->n_tokens++; /* others may point at the old one */
        }
    } else {
        if (s->n_tokens >= s->max_tokens) return;
        here->token[place] = s->n_tokens++;
    }
    s->tokens[here->token[place]] = (cv_align_token){cost, previous, word, from, to, state, 0, history};
    for (int32_t p = to; p >= 0 && s->ahead[p] > cost; p--) s->ahead[p] = cost;
    s->fresh += to == s->at;
}

static void add_match(cv_align *s, int32_t word, int32_t from, int32_t length, float cost) {
    if (s->n_matches >= MAX_MATCHES) return;
    if (s->matched_at[word] != from + 1) {
        s->matched_at[word] = from + 1;
        s->first_match[word] = -1;
    }
    s->matches[s->n_matches] = (match){cost, length, s->first_match[word]};
    s->first_match[word] = s->n_matches++;
}

/* Compare pronunciations with the phones from `from` on: every one that stays under its limit, of words
 * that are wanted. Of each row only the cells under the limit are kept (the cut-off of Ukkonen,
 * "Finding approximate patterns in strings", J. Algorithms 6(1), 1985). */
static void find_matches(cv_align *s, const cv_align_costs *c, const cv_align_trie *trie,
                         const cv_align_heard *heard, int32_t from) {
    const float *insert = s->insert + from;
    const float *lost = s->lost + from;
    int32_t width = heard->n_phones - from;
    if (width > CV_ALIGN_WINDOW) width = CV_ALIGN_WINDOW;
    float bound[CV_ALIGN_WINDOW + 1]; /* of a cell, from the best parse known at its position */
    for (int32_t k = 0; k <= width; k++) {
        bound[k] = s->ahead[from + k] + s->beam + c->word_beam - s->ahead[from];
    }
    s->n_matches = 0;
    row *first = &s->rows[0];
    first->low = first->high = 0;
    first->cell[0] = HUGE_COST;
    first->cell[1] = 0.0f;
    for (int32_t k = 1; k <= width; k++) {
        const float cost = first->cell[k] + insert[k - 1];
        if (cost > c->word_limit_base) break;
        first->cell[k + 1] = cost;
        first->high = k;
    }
    first->cell[first->high + 2] = HUGE_COST;
    for (int32_t node = 1; node < trie->n_nodes;) {
        if (s->wanted[node] != s->want) {
            node = trie->skip[node];
            continue;
        }
        const int32_t depth = trie->depth[node];
        const int32_t meant = trie->phone[node];
        const row *above = &s->rows[depth - 1];
        row *here = &s->rows[depth];
        const float *swap = s->swap + (size_t)meant * CV_ALIGN_MAX_HEARD + from;
        const float drop = c->drop[meant];
        const float limit = c->word_limit_base + c->word_limit_slope * (float)depth;
        const float slack = s->node_slack[node];
        const int32_t begin = above->low;
        const int32_t end = above->high + 1 <= width ? above->high + 1 : width;
        const float *up = above->cell;
        float *cell = here->cell;
        int32_t low = width + 1, high = -1;
        float left = HUGE_COST;
        for (int32_t k = begin; k <= end; k++) {
            float cost = up[k + 1] + drop;
            if (k > begin) {
                const float swapped = up[k] + swap[k - 1], inserted = left + insert[k - 1];
                if (swapped < cost) cost = swapped;
                if (inserted < cost) cost = inserted;
            }
            if (cost <= limit && cost + slack <= bound[k]) {
                if (low > k) low = k;
                high = k;
            } else {
                cost = HUGE_COST; /* nothing grows out of it */
            }
            cell[k + 1] = left = cost;
        }
        for (int32_t k = end + 1; k <= width && high == k - 1; k++) {
            const float cost = left + insert[k - 1];
            if (cost > limit || cost + slack > bound[k]) break;
            cell[k + 1] = left = cost;
            high = k;
        }
        if (high < 0) {
            node = trie->skip[node];
            continue;
        }
        here->low = low;
        here->high = high;
        cell[low] = cell[high + 2] = HUGE_COST;
        for (int32_t w = trie->word_start[node]; w < trie->word_start[node + 1]; w++) {
            const int32_t word = trie->word_at[w];
            if (s->wanted_word[word] != s->want) continue;
            const float so_far = s->word_slack[word] + c->word_beam;
            for (int32_t k = low ? low : 1; k <= high; k++) {
                float cost = cell[k + 1];
                if (cost > 0.0f) cost += lost[k] - lost[0];
                if (cost < HUGE_COST && cost + so_far <= bound[k]) add_match(s, word, from, k, cost);
            }
        }
        node++;
    }
}

/* Mark the words that parses in `state` can go on with, and the ways to them in the trie. */
static void want_state(cv_align *s, const cv_align_trie *trie, const cv_align_graph *graph, int32_t state,
                       float slack) {
    for (int32_t a = graph->arc_start[state]; a < graph->arc_start[state + 1]; a++) {
        const int32_t word = graph->arc_word[a];
        if (s->wanted_word[word] == s->want || word == graph->wildcard) continue;
        s->wanted_word[word] = s->want;
        s->word_slack[word] = slack;
        for (int32_t i = trie->leaf_start[word]; i < trie->leaf_start[word + 1]; i++) {
            for (int32_t node = trie->leaf_at[i]; node > 0 && s->wanted[node] != s->want;
                 node = trie->parent[node]) {
                s->wanted[node] = s->want;
                s->node_slack[node] = slack;
            }
        }
    }
}

static void wait(cv_align *s, int32_t state, float cost) {
    if (s->wanted_state[state] != s->want) {
        s->wanted_state[state] = s->want;
        s->waiting[s->n_waiting++] = state;
        s->state_cost[state] = cost;
    } else if (s->state_cost[state] > cost) {
        s->state_cost[state] = cost;
    }
}

/* Mark the words that the parses at this position can go on with, also those a word further on where that
 * word may go unheard. The words of the cheapest parses are marked first, so that each word and node knows
 * what the cheapest parse that wants it has left to spend. */
static void want_words(cv_align *s, const cv_align_trie *trie, const cv_align_graph *graph, int32_t at) {
    const int32_t slot = at % RING;
    const size_t base = (size_t)slot * (size_t)s->n_states;
    const float bound = s->ahead[at] + s->beam;
    s->want++;
    s->n_waiting = 0;
    for (int32_t i = 0; i < s->n_active[slot]; i++) {
        const int32_t state = s->active[base + (size_t)i];
        const cell *here = &s->cells[base + (size_t)state];
        float cost = HUGE_COST;
        for (int32_t k = 0; k < here->count; k++) {
            if (s->tokens[here->token[k]].cost < cost) cost = s->tokens[here->token[k]].cost;
        }
        if (cost > bound) continue;
        wait(s, state, cost);
        for (int32_t a = graph->arc_start[state]; a < graph->arc_start[state + 1]; a++) {
            const int32_t word = graph->arc_word[a];
            if (cost + trie->drop_word[word] <= bound && graph->arc_next[a] != state &&
                trie->shortest[word] <= CV_ALIGN_DROPPABLE)
                wait(s, graph->arc_next[a], cost + trie->drop_word[word]);
        }
    }
    int32_t start[LEVELS + 1] = {0}; /* a counting sort */
    const float per_cost = (float)LEVELS / (s->beam + 1e-3f);
    for (int32_t i = 0; i < s->n_waiting; i++)
        start[1 + (int32_t)((s->state_cost[s->waiting[i]] - s->ahead[at]) * per_cost)]++;
    for (int32_t i = 1; i <= LEVELS; i++) start[i] += start[i - 1];
    for (int32_t i = 0; i < s->n_waiting; i++) {
        const int32_t state = s->waiting[i];
        s->in_order[start[(int32_t)((s->state_cost[state] - s->ahead[at]) * per_cost)]++] = state;
    }
    for (int32_t i = 0; i < s->n_waiting; i++) {
        const float level = (float)(int32_t)((s->state_cost[s->in_order[i]] - s->ahead[at]) * per_cost);
        want_state(s, trie, graph, s->in_order[i], level / per_cost);
    }
}

static uint32_t with_word(uint32_t history, int32_t word) {
    return (history ^ (uint32_t)(word + 1)) * 2654435761u + 40503u;
}

/* Offer the words that were heard as they are spelled: they bound what else is worth looking at. */
static void expand_identical(cv_align *s, const cv_align_graph *graph, const cv_align_heard *heard,
                             int32_t heard_word, int32_t at) {
    const int32_t slot = at % RING;
    const size_t base = (size_t)slot * (size_t)s->n_states;
    const int32_t word = heard->word_id[heard_word];
    const int32_t to = heard->word_to[heard_word];
    if (word < 0 || to == at || to - at > CV_ALIGN_WINDOW) return;
    for (int32_t i = 0; i < s->n_active[slot]; i++) {
        const int32_t state = s->active[base + (size_t)i];
        const cell *here = &s->cells[base + (size_t)state];
        int32_t arc = cv_find_arc(graph->arc_start, graph->arc_word, state, word);
        if (arc < 0) continue;
        for (; arc < graph->arc_start[state + 1] && graph->arc_word[arc] == word; arc++) {
            for (int32_t k = 0; k < here->count; k++) {
                const cv_align_token *token = &s->tokens[here->token[k]];
                offer(s, graph->arc_next[arc], to, token->cost, here->token[k], word, at,
                      with_word(token->history, word));
            }
        }
    }
}

/* Let the parses in `state` that are new go on by every word that fits. */
static void expand(cv_align *s, const cv_align_costs *c, const cv_align_trie *trie,
                   const cv_align_graph *graph, const cv_align_heard *heard, int32_t state, int32_t heard_word,
                   int32_t from) {
    const cell *here = &s->cells[(size_t)(from % RING) * (size_t)s->n_states + (size_t)state];
    const float bound = s->ahead[from] + s->beam;
    int32_t fresh[CV_ALIGN_KEEP], n_fresh = 0;
    float cheapest = HUGE_COST;
    for (int32_t k = 0; k < here->count; k++) {
        cv_align_token *token = &s->tokens[here->token[k]];
        if (token->is_expanded || token->cost > bound) continue;
        token->is_expanded = 1;
        fresh[n_fresh++] = here->token[k];
        if (token->cost < cheapest) cheapest = token->cost;
    }
    if (!n_fresh) return;
    const int32_t to = heard_word < 0 ? from : heard->word_to[heard_word];
    const int may_pass = to > from && to - from <= CV_ALIGN_WINDOW; /* the heard word as a whole */
    for (int32_t a = graph->arc_start[state]; a < graph->arc_start[state + 1]; a++) {
        const int32_t word = graph->arc_word[a], next = graph->arc_next[a];
        if (word == graph->wildcard) {
            const float cost = c->wildcard_word + (next == state ? 0.0f : c->wildcard);
            for (int32_t k = 0; may_pass && k < n_fresh; k++) {
                const cv_align_token *token = &s->tokens[fresh[k]];
                offer(s, next, to, token->cost + cost, fresh[k], graph->n_words + heard_word, from,
                      with_word(token->history, word));
            }
            continue;
        }
        if (cheapest + trie->drop_word[word] <= bound && next != state &&
            trie->shortest[word] <= CV_ALIGN_DROPPABLE) {
            for (int32_t k = 0; k < n_fresh; k++) {
                const cv_align_token *token = &s->tokens[fresh[k]];
                offer(s, next, from, token->cost + trie->drop_word[word], fresh[k], word, from,
                      with_word(token->history, word));
            }
        }
        if (s->matched_at[word] != from + 1) continue;
        for (int32_t m = s->first_match[word]; m >= 0; m = s->matches[m].next) {
            const float cost = s->matches[m].cost;
            const int32_t end = from + s->matches[m].length;
            if (cheapest + cost > s->ahead[end] + s->beam) continue;
            for (int32_t k = 0; k < n_fresh; k++) {
                const cv_align_token *token = &s->tokens[fresh[k]];
                offer(s, next, end, token->cost + cost, fresh[k], word, from,
                      with_word(token->history, word));
            }
        }
    }
    for (int32_t k = 0; may_pass && k < n_fresh; k++) {
        const cv_align_token *token = &s->tokens[fresh[k]];
        offer(s, state, to, token->cost + heard->skip_cost[heard_word], fresh[k], -2 - heard_word, from,
              token->history);
    }
}

int32_t cv_align_process(cv_align *s, const cv_align_costs *c, const cv_align_trie *trie,
                         const cv_align_graph *graph, const cv_align_heard *heard, int32_t *best,
                         int32_t max_best) {
    const int32_t n = heard->n_phones;
    if (n < 1 || n > CV_ALIGN_MAX_HEARD) return 0;
    s->n_tokens = 0;
    s->beam = heard->beam;
    /* No parse may cost more than the limit: as if one had come everywhere that leaves just that. */
    for (int32_t i = 0; i <= n; i++) s->ahead[i] = heard->limit - s->beam;
    for (int32_t i = 0; i <= n; i++) s->lost[i] = 0.0f;
    for (int32_t w = 0; w < heard->n_words; w++) s->lost[heard->word_from[w] + 1] += heard->lost_cost[w];
    for (int32_t i = 1; i <= n; i++) s->lost[i] += s->lost[i - 1];
    for (int32_t i = 0; i < n; i++) {
        s->insert[i] = c->insert[heard->phones[i]] * heard->weight[i];
        for (int32_t k = 0; k < CV_ALIGN_SYMBOLS; k++) {
            s->swap[k * CV_ALIGN_MAX_HEARD + i] =
                c->substitute[k * CV_ALIGN_SYMBOLS + heard->phones[i]] * heard->weight[i];
        }
    }
    for (int32_t i = 0; i < RING; i++) s->n_active[i] = 0;
    if (s->want > INT32_MAX / 8) {
        memset(s->wanted, 0, 4 * (size_t)trie->n_nodes);
        memset(s->wanted_word, 0, 4 * (size_t)s->n_words);
        memset(s->wanted_state, 0, 4 * (size_t)s->n_states);
        s->want = 0;
    }
    if (s->era == 0 || s->era > INT32_MAX - 4 * CV_ALIGN_MAX_HEARD) {
        for (size_t i = 0; i < (size_t)RING * (size_t)s->n_states; i++) s->cells[i].position = -1;
        s->era = 0;
    }
    s->era += 2 * CV_ALIGN_MAX_HEARD;
    s->at = -1;
    memset(s->matched_at, 0, 4 * (size_t)s->n_words);
    offer(s, graph->start, 0, 0.0f, -1, -1, 0, 0u);
    int32_t word = 0;
    for (int32_t at = 0; at <= n; at++) {
        const int32_t slot = at % RING;
        const size_t base = (size_t)slot * (size_t)s->n_states;
        if (at == n && s->n_active[slot] == 0) return 0;
        while (word < heard->n_words && heard->word_from[word] < at) word++;
        int32_t heard_word = word < heard->n_words && heard->word_from[word] == at ? word : -1;
        if (s->n_active[slot]) {
            if (heard_word >= 0) expand_identical(s, graph, heard, heard_word, at);
            want_words(s, trie, graph, at);
            find_matches(s, c, trie, heard, at);
            if (heard_word >= 0 && heard->word_id[heard_word] >= 0 && at < n) {
                const int32_t length = heard->word_to[heard_word] - at;
                if (length <= CV_ALIGN_WINDOW) add_match(s, heard->word_id[heard_word], at, length, 0.0f);
            }
        }
        /* A word that was not heard at all leads to a state at the same position: go round until no
         * parse is new. */
        s->at = at;
        do {
            s->fresh = 0;
            for (int32_t i = 0; i < s->n_active[slot]; i++)
                expand(s, c, trie, graph, heard, s->active[base + (size_t)i], heard_word, at);
        } while (s->fresh);
        if (at < n) s->n_active[slot] = 0;
    }
    const int32_t slot = n % RING;
    const size_t base = (size_t)slot * (size_t)s->n_states;
    int32_t count = 0;
    for (int32_t i = 0; i < s->n_active[slot]; i++) {
        const cell *here = &s->cells[base + (size_t)s->active[base + (size_t)i]];
        if (!graph->is_final[s->active[base + (size_t)i]]) continue;
        for (int32_t k = 0; k < here->count; k++) {
            const int32_t t = here->token[k];
            int32_t place;
            if (count < max_best) {
                place = count++;
            } else if (s->tokens[best[max_best - 1]].cost > s->tokens[t].cost) {
                place = max_best - 1;
            } else {
                continue;
            }
            while (place > 0 && s->tokens[best[place - 1]].cost > s->tokens[t].cost) {
                best[place] = best[place - 1];
                place--;
            }
            best[place] = t;
        }
    }
    return count;
}

const cv_align_token *cv_align_tokens(const cv_align *s) { return s->tokens; }
int32_t cv_align_n_tokens(const cv_align *s) { return s->n_tokens; }
