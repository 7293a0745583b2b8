/* test_word_search.c - random graphs, full and starved, under the sanitizers; and a graph done by hand. */
#include <math.h>
#include <string.h>

#include "word_search.h"

#include "check.h"

enum { STATES = 400, ARCS_PER_STATE = 12, COLUMNS = 9, FRAMES = 60, RESULTS = 24 };

static cv_search_state states[STATES];
static cv_search_arc arcs[STATES * ARCS_PER_STATE];
static float rows[FRAMES * COLUMNS];

static void by_hand(void) {
    /* Either column 1 with word 5 or column 2 with word 6 leads to the final state; blanks around. */
    cv_search_state two[2] = {{INFINITY, 0, 3, 0, 1}, {0.0f, 3, 1, 0, 1}};
    cv_search_arc four[4] = {{1, 0, 0.0f, 0}, {2, 5, 0.5f, 1}, {3, 6, 0.25f, 1}, {1, 0, 0.0f, 1}};
    cv_search_graph graph = {two, four, 2, 0, 99};
    cv_search_limits limits = {50.0f, 10};
    float said[6] = {-5.0f, -1.0f, -2.0f, 0.0f, -4.0f, -4.0f};
    void *memory = aligned(cv_search_size(2));
    cv_search *search = cv_search_init(memory, 2);
    cv_search_step steps[3 * 40];
    cv_search_result results[4];
    CHECK(cv_search_most_steps(&limits) == 40);
    CHECK(cv_search_process(search, &graph, &limits, said, 2, 3, steps, results, 4) == 2);
    CHECK(fabsf(results[0].cost - 1.5f) < 1e-6f && steps[results[0].last].word == 5);
    CHECK(fabsf(results[1].cost - 2.25f) < 1e-6f && steps[results[1].last].word == 6);
    CHECK(steps[results[0].last].frame == 0 && steps[results[0].last].previous == -1);
    CHECK(cv_search_process(search, &graph, &limits, said, 0, 3, steps, results, 4) == 0);
    free(memory);
}

int main(void) {
    by_hand();
    unsigned seed = 3;
    void *memory = aligned(cv_search_size(STATES));
    cv_search *search = cv_search_init(memory, STATES);
    for (int round = 0; round < 30; round++) {
        for (int state = 0; state < STATES; state++) {
            uint32_t epsilons = 0;
            for (int i = 0; i < ARCS_PER_STATE; i++) {
                cv_search_arc *arc = &arcs[state * ARCS_PER_STATE + i];
                arc->ilabel = (int)(fabsf(noise(&seed)) * COLUMNS);
                arc->olabel = arc->ilabel > 1 && noise(&seed) > 0 ? 1 + (int)(fabsf(noise(&seed)) * 50) : 0;
                arc->cost = fabsf(noise(&seed));
                arc->next = (int)(fabsf(noise(&seed)) * (STATES - 1));
                epsilons += arc->ilabel == 0;
            }
            states[state] = (cv_search_state){noise(&seed) > 0 ? 1.0f : INFINITY,
                                              (uint32_t)(state * ARCS_PER_STATE), ARCS_PER_STATE, epsilons, 0};
        }
        for (int i = 0; i < FRAMES * COLUMNS; i++) rows[i] = 4.0f * noise(&seed);
        cv_search_graph graph = {states, arcs, STATES, 0, 7};
        cv_search_limits limits = {round % 3 ? 6.0f : 1e6f, round % 2 ? 20 : STATES};
        size_t most = (size_t)(FRAMES + 1) * (size_t)cv_search_most_steps(&limits);
        cv_search_step *steps = aligned(most * sizeof(cv_search_step));
        cv_search_result results[RESULTS];
        int count = cv_search_process(search, &graph, &limits, rows, FRAMES, COLUMNS, steps, results, RESULTS);
        CHECK(count > 0);
        for (int i = 0; i < count; i++) {
            CHECK(i == 0 || results[i - 1].cost <= results[i].cost);
            for (int k = 0; k < i; k++) CHECK(results[k].words != results[i].words);
            int frame = FRAMES;
            for (int at = results[i].last; at >= 0; at = steps[at].previous) {
                CHECK(steps[at].frame < frame && steps[at].column > 0 && steps[at].column < COLUMNS);
                frame = steps[at].frame;
            }
        }
        free(steps);
    }
    free(memory);
    puts("word search: passed");
    return 0;
}
