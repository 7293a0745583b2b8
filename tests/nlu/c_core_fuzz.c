/* Random automata, tries and lattices through matcher.c and phone_align.c; run under ASan and UBSan.
 * Exits 0 when every result keeps its promises. */
#include "matcher.h"
#include "phone_align.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t seed = 1;
static int32_t below(int32_t n) {
    seed = seed * 1664525u + 1013904223u;
    return (int32_t)((seed >> 8) % (uint32_t)n);
}

#define STATES 12
#define WORDS 6
#define ARCS 3
#define NODES 10
#define CHECK(condition)                                                      \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition);           \
            exit(1);                                                          \
        }                                                                     \
    } while (0)

static int by_word(const void *one, const void *other) {
    return ((const int32_t *)one)[0] - ((const int32_t *)other)[0];
}

static void fuzz_matcher(void) {
    int32_t arc_start[STATES + 1], arc_word[STATES * ARCS], arc_next[STATES * ARCS], weight[STATES * ARCS];
    int32_t list_start[STATES + 1], list_id[STATES], slot[STATES], list_next[STATES], mask[STATES];
    int32_t final_start[STATES + 1], final_template[STATES];
    uint8_t after_wildcard[STATES];
    int32_t arcs = 0, lists = 0, finals = 0;
    for (int32_t s = 0; s < STATES; s++) {
        arc_start[s] = arcs;
        list_start[s] = lists;
        final_start[s] = finals;
        int32_t n = below(ARCS + 1), pairs[ARCS][2];
        for (int32_t i = 0; i < n; i++) {
            pairs[i][0] = below(WORDS);
            pairs[i][1] = below(STATES);
        }
        qsort(pairs, (size_t)n, sizeof pairs[0], by_word);
        for (int32_t i = 0; i < n; i++, arcs++) {
            arc_word[arcs] = pairs[i][0];
            arc_next[arcs] = pairs[i][1];
            weight[arcs] = below(9);
        }
        if (below(2)) {
            list_id[lists] = below(3);
            slot[lists] = 0;
            list_next[lists] = below(STATES);
            mask[lists] = list_id[lists] == 0 && below(2) ? 0 : -1;
            lists++;
        }
        if (below(3) == 0) final_template[finals++] = s;
        after_wildcard[s] = (uint8_t)below(2);
    }
    arc_start[STATES] = arcs;
    list_start[STATES] = lists;
    final_start[STATES] = finals;
    /* One trie for all lists: root -0-> 1 -1-> 2, root -2-> 3. */
    const int32_t t_start[] = {0, 2, 3, 3, 3}, t_word[] = {0, 2, 1}, t_node[] = {1, 3, 2};
    const int32_t v_start[] = {0, 0, 1, 2, 3}, v_at[] = {0, 1, 1};
    const int32_t hundredths[] = {50};
    const uint8_t allowed[] = {1, 0};
    const uint8_t *masks[] = {allowed};
    cv_list programs[3];
    for (int32_t i = 0; i < 3; i++)
        programs[i] = (cv_list){i, t_start, t_word, t_node, v_start, v_at, 0, 9, 1, 1, hundredths, 1};
    cv_automaton a = {STATES,  arc_start,   arc_word,       arc_next, weight, list_start, list_id, slot,
                      list_next, mask,      final_start,    final_template, after_wildcard, masks, programs,
                      NULL, 0, 0};
    /* What may begin which list: the trie's first words lists 0 and 1, a number list 1, anything list 2. */
    const uint64_t gate_bits[WORDS + 2] = {3, 0, 3, 0, 0, 0, 2, 4};
    uint64_t *gates = malloc(sizeof gate_bits); /* on the heap, where a read beside it is seen */
    memcpy(gates, gate_bits, sizeof gate_bits);
    cv_edge edges[NODES * 4];
    int32_t n_edges = 0, chars[NODES];
    uint8_t boundary[NODES];
    const int32_t n_nodes = 1 + below(NODES);
    for (int32_t n = 0; n < n_nodes; n++) {
        chars[n] = n * 3;
        boundary[n] = (uint8_t)below(2);
        for (int32_t i = below(4); n + 1 < n_nodes && i > 0; i--) {
            const int32_t to = n + 1 + below(n_nodes - n - 1);
            int32_t word = below(WORDS); /* or a stray number, near the vocabulary or far off */
            if (below(5) == 0) word = below(2) ? below(8) - 8 : below(2) ? WORDS + 2 + below(8) : INT32_MAX - below(9);
            edges[n_edges++] = (cv_edge){n, to, below(3), word, below(30) * 0.5 - 2.0};
        }
    }
    const int32_t max_threads = 1 + below(4000), max_finals = 1 + below(8);
    void *memory = malloc(cv_matcher_size(STATES, NODES, max_threads, max_finals));
    cv_matcher *m = cv_matcher_init(memory, STATES, NODES, max_threads, max_finals);
    const int32_t any_number = below(2);
    int32_t before = 0;
    int64_t cost_before = 0;
    for (int32_t repeat = 0; repeat < 3; repeat++) {
        const int32_t count =
            cv_matcher_process(m, &a, edges, n_edges, chars, boundary, n_nodes, any_number);
        CHECK(count >= -1 && count <= max_finals);
        /* The gates spare work, and change nothing. */
        CHECK(!repeat || count == before);
        CHECK(!repeat || count < 1 || cv_matcher_finals(m)[count - 1].cost == cost_before);
        before = count;
        if (count > 0) cost_before = cv_matcher_finals(m)[count - 1].cost;
        a.gates = gates;
        a.n_words = WORDS;
        a.n_gates = 1;
        for (int32_t f = 0; f < count; f++) {
            const cv_thread *threads = cv_matcher_threads(m);
            int32_t t = cv_matcher_finals(m)[f].thread, node = n_nodes - 1;
            CHECK(threads[t].node == node);
            for (t = threads[t].parent; t >= 0; t = threads[t].parent) {
                CHECK(threads[t].node < node);
                node = threads[t].node;
            }
            CHECK(node == 0 || n_nodes == 1);
        }
    }
    free(gates);
    free(memory);
}

static void fuzz_align(void) {
    /* Words 0..3 are "ab", "a", "bc", "c"; word 4 is the wildcard. */
    const uint8_t phone[] = {0, 0, 1, 1, 2, 2}, depth[] = {0, 1, 2, 1, 2, 1};
    const int32_t skip[] = {6, 3, 3, 5, 5, 6}, word_start[] = {0, 0, 1, 2, 2, 3, 4}, word_at[] = {1, 0, 2, 3};
    const int32_t parent[] = {0, 0, 1, 0, 3, 0};
    const int32_t leaf_start[] = {0, 1, 2, 3, 4, 4}, leaf_at[] = {2, 1, 4, 5};
    const uint8_t shortest[] = {2, 1, 2, 1, 0};
    const float drop_word[] = {1, 0, 1, 0, 0};
    cv_align_trie trie = {6, phone, depth, skip, word_start, word_at, parent, leaf_start, leaf_at, shortest, drop_word};
    static cv_align_costs costs;
    for (int32_t i = 0; i < CV_ALIGN_SYMBOLS; i++) {
        costs.drop[i] = 0.5f + (float)below(4);
        costs.insert[i] = 0.5f + (float)below(4);
        for (int32_t k = 0; k < CV_ALIGN_SYMBOLS; k++)
            costs.substitute[i * CV_ALIGN_SYMBOLS + k] = i == k ? 0.0f : 0.2f + (float)below(3);
    }
    costs.word_limit_base = (float)below(8);
    costs.word_limit_slope = 1.0f;
    const float beam = (float)below(12);
    costs.word_beam = (float)below(6);
    costs.wildcard = 2.0f;
    costs.wildcard_word = 0.5f;
    int32_t arc_start[STATES + 1], arc_word[STATES * 5], arc_next[STATES * 5], arcs = 0;
    uint8_t is_final[STATES];
    for (int32_t s = 0; s < STATES; s++) {
        arc_start[s] = arcs;
        for (int32_t w = 0; w < 5; w++) {
            if (below(2)) continue;
            arc_word[arcs] = w;
            arc_next[arcs++] = below(STATES); /* cycles too */
        }
        is_final[s] = (uint8_t)below(2);
    }
    arc_start[STATES] = arcs;
    cv_align_graph graph = {STATES, below(STATES), 5, 4, arc_start, arc_word, arc_next, is_final};
    uint8_t heard_phones[60];
    int32_t from[20], to[20], id[20], words = 0, at = 0;
    float skip_cost[20], lost_cost[20], weight[60];
    while (words < 20 && at < 50 && (at == 0 || below(5))) {
        from[words] = at;
        for (int32_t i = 1 + below(4); i > 0; i--) heard_phones[at++] = (uint8_t)below(4);
        to[words] = at;
        id[words] = below(6) - 1;
        if (id[words] == 4) id[words] = -1;
        lost_cost[words] = (float)below(3);
        skip_cost[words++] = (float)below(5);
    }
    for (int32_t i = 0; i < at; i++) weight[i] = 0.5f + (float)below(2);
    cv_align_heard heard = {heard_phones, weight, at,        words,     from,
                            to,           id,     skip_cost, lost_cost, below(2) ? 1e9f : (float)below(20), beam};
    const int32_t max_tokens = 1 + below(3000);
    void *memory = malloc(cv_align_size(STATES, 6, 6, max_tokens));
    cv_align *search = cv_align_init(memory, STATES, 6, 6, max_tokens);
    for (int32_t repeat = 0; repeat < 3; repeat++) {
        int32_t best[8];
        const int32_t count = cv_align_process(search, &costs, &trie, &graph, &heard, best, 8);
        CHECK(count >= 0 && count <= 8);
        const cv_align_token *tokens = cv_align_tokens(search);
        CHECK(cv_align_n_tokens(search) <= max_tokens);
        for (int32_t i = 0; i < count; i++) {
            CHECK(i == 0 || tokens[best[i - 1]].cost <= tokens[best[i]].cost);
            CHECK(is_final[tokens[best[i]].state]);
            int32_t here = at;
            for (int32_t t = best[i]; t >= 0; t = tokens[t].previous) {
                CHECK(tokens[t].to == here && tokens[t].from <= here);
                here = tokens[t].from;
            }
            CHECK(here == 0);
        }
    }
    free(memory);
}

int main(void) {
    for (int32_t round = 0; round < 200; round++) {
        seed = (uint32_t)round * 2654435761u + 12345u;
        fuzz_matcher();
        fuzz_align();
    }
    return 0;
}
