#include "cv_canceller.h"

#include <math.h>
#include <string.h>

enum { DEEP, FAST, NEITHER };
enum { DEEP_WINS_AFTER = 40 }; /* frames */
#define POWER_MEMORY 0.8f
#define LONG_MEMORY 0.9f /* 100 ms: longer ones cost depth after a change of the path */
#define FAST_BETTER 0.5f /* a vowel that it takes for echo makes the fast filter better by 2 to 4 dB */
#define BETTER_DB 2.0f   /* what counts for the fast filter's state is how much better than this it is, */
#define AT_MOST_DB 12.0f /* up to this much a frame, */
#define WINS_AT_DB 50.0f /* summed over the frames */
#define DOUBTED 0.65f    /* of its power: where the fast filter leaves less than this, it knows better what is left */
#define FAST_ELSEWHERE 1.5f
#define WANDER_MOST 3e-4f /* of the deep filter, where the path never rests */
#define LAG_MEMORY 0.98f
#define LAG_LEAST 0.03f      /* of the way: less is chance */
#define LAG_HALF_SURE 0.1f   /* of what the deep filter leaves: what the fast one takes off then */
#define UNREST_RATE 0.01f    /* per frame: to rest in a second, */
#define UNREST_TURN 2.0f     /* to unrest in half of it at most */
#define UNREST_MEMORY 0.999f /* under a talker */
#define COVERED 0.25f        /* of the microphone's power: what is left then is a talker's */
#define DEEP_ENOUGH 2e-3f    /* the same: 27 dB */
#define TINY 1e-9f
#define OFFSET_RATE 2e-4f /* per sample: 0.5 Hz, so low that the echo itself hardly turns in phase */

void cv_canceller_carve(cv_canceller *canceller, cv_arena *arena, size_t lanes) {
    cv_kalman_carve(&canceller->deep, arena, lanes);
    cv_kalman_carve(&canceller->fast, arena, lanes);
}

void cv_canceller_init(cv_canceller *canceller, const cv_canceller_config *config, const cv_fft *fft) {
    cv_kalman_config deep = {config->deep_wander, 0.0f, config->noise_memory, config->initial_spread,
                             config->doubted_from};
    cv_kalman_config fast = {config->fast_wander, FAST_ELSEWHERE, config->noise_memory, config->initial_spread,
                             config->doubted_from};
    canceller->config = *config;
    cv_kalman_init(&canceller->deep, &deep, fft);
    cv_kalman_init(&canceller->fast, &fast, fft);
    canceller->offset = 0.0f;
    canceller->offset_rate = 1.0f;
    canceller->near_power = canceller->deep_power = canceller->fast_power = 0.0f;
    canceller->deep_long = canceller->fast_long = 0.0f;
    canceller->choice = DEEP;
    canceller->fast_better_db = 0.0f;
    canceller->deep_better = 0;
    canceller->lag_shared = canceller->lag_size = canceller->unrest = 0.0f;
    memset(canceller->echo, 0, sizeof canceller->echo);
    memset(canceller->model, 0, sizeof canceller->model);
}

static float mean_square(const float *x) {
    float sum = 0.0f;
    for (int i = 0; i < CV_FRAME; i++) sum += x[i] * x[i];
    return sum / CV_FRAME;
}

static void smooth(float *power, float now, float memory) {
    *power = memory * *power + (1.0f - memory) * now;
}

static void remove_offset(cv_canceller *canceller, const float *near, float *sound) {
    float offset = canceller->offset, rate = canceller->offset_rate;
    for (int i = 0; i < CV_FRAME; i++) {
        offset += rate * (near[i] - offset);
        sound[i] = near[i] - offset;
        rate = rate / (1.0f + rate);
        rate = rate > OFFSET_RATE ? rate : OFFSET_RATE;
    }
    canceller->offset = offset;
    canceller->offset_rate = rate;
}

/* Keep the present choice unless another is clearly better. For the fast filter to be chosen it must be so over
 * 100 ms too: where an echo dies away under a steady vowel, the fast filter takes the vowel for more of it for a
 * tenth of a second, and would subtract that. After a change of the path the deep filter leaves so much more than
 * before that the long means follow almost as fast. */
static int choose(const cv_canceller *canceller) {
    float deep = canceller->deep_power, fast = canceller->fast_power, near = canceller->near_power;
    int choice = canceller->choice == NEITHER ? DEEP : canceller->choice;
    if (choice == DEEP && fast < FAST_BETTER * deep && canceller->fast_long < FAST_BETTER * canceller->deep_long)
        choice = FAST;
    else if (choice == FAST && deep < 0.95f * fast) choice = DEEP;
    float best = choice == DEEP ? deep : fast;
    return best > (canceller->choice == NEITHER ? near : 1.5f * near) ? NEITHER : choice;
}

/* Let one filter take over the other's state. For the fast one the evidence has to gather, as in E. Page's
 * cumulative sum test ("Continuous inspection schemes", Biometrika 41, 1954): what it learned from a talker would
 * cost the deep filter seconds. */
static void exchange(cv_canceller *canceller) {
    float deep = canceller->deep_power, fast = canceller->fast_power;
    canceller->deep_better = deep < 0.5f * fast ? canceller->deep_better + 1 : 0;
    if (canceller->fast_better_db > WINS_AT_DB) {
        cv_kalman_copy(&canceller->deep, &canceller->fast);
        canceller->deep_power = fast;
        canceller->deep_long = canceller->fast_long;
        canceller->fast_better_db = 0.0f;
    } else if (canceller->deep_better >= DEEP_WINS_AFTER) {
        cv_kalman_copy(&canceller->fast, &canceller->deep);
        canceller->fast_power = deep;
        canceller->fast_long = canceller->deep_long;
        canceller->deep_better = 0;
    }
}

/* Share of the way, 0..1, that the deep filter lags behind. What an optimal filter leaves is unrelated to all that
 * came before (R. Mehra, "On the identification of variances and adaptive Kalman filtering", IEEE Trans. Automatic
 * Control 15, 1970); here it is regressed on what the fast filter takes off beyond it, as in a convex combination
 * (J. Arenas-Garcia et al., IEEE Trans. SP 54, 2006). */
static float lag_of_deep(cv_canceller *canceller, const float *left, const float *deep, const float *fast) {
    float shared = 0.0f, size = 0.0f, covered = CV_FRAME * canceller->deep_power + TINY;
    for (int i = 0; i < CV_FRAME; i++) {
        float beyond = fast[i] - deep[i];
        shared += left[i] * beyond;
        size += beyond * beyond;
    }
    smooth(&canceller->lag_shared, shared / covered, LAG_MEMORY);
    smooth(&canceller->lag_size, size / covered, LAG_MEMORY);
    return canceller->lag_shared / (canceller->lag_size + 1e-6f);
}

/* Learn how restless the path is: where the deep filter lags it is to believe in more change. Not under a talker,
 * who would leave it disturbed, which looks the same: there it comes to rest in a quarter of a minute. Nor where
 * hardly anything is left: what a talker could disturb then is worth more than what is to be gained. */
static void settle(cv_canceller *canceller, const float *left, const float *deep, const float *fast) {
    if (canceller->deep_power > COVERED * canceller->near_power) {
        canceller->unrest *= UNREST_MEMORY;
    } else {
        float turn = lag_of_deep(canceller, left, deep, fast) / LAG_LEAST - 1.0f;
        turn = turn < UNREST_TURN ? turn : UNREST_TURN;
        if (turn < -1.0f || canceller->deep_long < DEEP_ENOUGH * canceller->near_power) turn = -1.0f;
        float sure = canceller->lag_size / (canceller->lag_size + LAG_HALF_SURE);
        float unrest = canceller->unrest + UNREST_RATE * sure * turn;
        unrest = unrest < 1.0f ? unrest : 1.0f;
        canceller->unrest = unrest > 0.0f ? unrest : 0.0f;
    }
    float least = canceller->config.deep_wander, most = least > WANDER_MOST ? least : WANDER_MOST;
    canceller->deep.config.wander = least * powf(most / least, canceller->unrest);
}

static void weigh(cv_canceller *canceller) {
    float better_db = 10.0f * log10f((canceller->deep_power + 1e-12f) / (canceller->fast_power + 1e-12f));
    better_db = better_db < AT_MOST_DB ? better_db : AT_MOST_DB;
    float sum_db = canceller->fast_better_db + better_db - BETTER_DB;
    canceller->fast_better_db = sum_db > 0.0f ? sum_db : 0.0f;
}

void cv_canceller_process(cv_canceller *canceller, const cv_far_spectra *far, int active, const float *near,
                          float *error) {
    float echo[3][CV_FRAME], left[2][CV_FRAME], sound[CV_FRAME];
    remove_offset(canceller, near, sound);
    if (!active) {
        memset(canceller->echo, 0, sizeof canceller->echo);
        memset(canceller->model, 0, sizeof canceller->model);
        memcpy(error, near, CV_FRAME * sizeof(float));
        return;
    }
    cv_kalman_predict(&canceller->deep, far, echo[DEEP]);
    cv_kalman_predict(&canceller->fast, far, echo[FAST]);
    memset(echo[NEITHER], 0, sizeof echo[NEITHER]);
    for (int i = 0; i < CV_FRAME; i++) {
        left[DEEP][i] = sound[i] - echo[DEEP][i];
        left[FAST][i] = sound[i] - echo[FAST][i];
    }
    float deep_now = mean_square(left[DEEP]), fast_now = mean_square(left[FAST]);
    smooth(&canceller->near_power, mean_square(sound), POWER_MEMORY);
    smooth(&canceller->deep_power, deep_now, POWER_MEMORY);
    smooth(&canceller->fast_power, fast_now, POWER_MEMORY);
    smooth(&canceller->deep_long, deep_now, LONG_MEMORY);
    smooth(&canceller->fast_long, fast_now, LONG_MEMORY);
    settle(canceller, left[DEEP], echo[DEEP], echo[FAST]);
    int before = canceller->choice, now = choose(canceller);
    for (int i = 0; i < CV_FRAME; i++) {
        float t = before == now ? 1.0f : (float)(i + 1) / CV_FRAME; /* fade over, no click */
        canceller->echo[i] = echo[before][i] + t * (echo[now][i] - echo[before][i]);
        error[i] = near[i] - canceller->echo[i];
        canceller->left[i] = sound[i] - canceller->echo[i];
    }
    memcpy(canceller->model, echo[now == NEITHER ? DEEP : now], sizeof canceller->model);
    canceller->choice = now;
    cv_kalman_update(&canceller->deep, far, left[DEEP]);
    cv_kalman_update(&canceller->fast, far, left[FAST]);
    /* learning from each frame twice brings the fast filter there in almost half the time */
    cv_kalman_predict(&canceller->fast, far, echo[FAST]);
    for (int i = 0; i < CV_FRAME; i++) left[FAST][i] = sound[i] - echo[FAST][i];
    cv_kalman_update(&canceller->fast, far, left[FAST]);
    weigh(canceller);
    exchange(canceller);
}

void cv_canceller_realign(cv_canceller *canceller, const cv_far_spectra *far, int move) {
    cv_kalman_shift(&canceller->deep, far, -move);
    cv_kalman_shift(&canceller->fast, far, -move);
}

const cv_kalman *cv_canceller_filter(const cv_canceller *canceller) {
    if (canceller->choice == NEITHER) return NULL;
    return canceller->choice == FAST ? &canceller->fast : &canceller->deep;
}

const float *cv_canceller_residual_psd(const cv_canceller *canceller) {
    int doubted = canceller->fast_power < DOUBTED * canceller->deep_power;
    return canceller->choice == FAST || doubted ? canceller->fast.echo_psd : canceller->deep.echo_psd;
}
