/* cv_suppress.h - spectral gain against interference of known power spectrum.
 *
 * Wiener gain with the decision-directed a-priori SNR (Y. Ephraim, D. Malah, "Speech enhancement using a
 * minimum mean-square error short-time spectral amplitude estimator", IEEE Trans. ASSP 32, 1984, eq. 51).
 */
#ifndef CV_SUPPRESS_H
#define CV_SUPPRESS_H

#include "cv_base.h"

typedef struct {
    float speech[CV_BINS]; /* gain^2 * power of the last frame: its clean speech */
    float prior[CV_BINS];  /* a-priori SNR */
    float gain[CV_BINS];
} cv_suppress;

void cv_suppress_reset(cv_suppress *suppress);
/* power: |spectrum|^2; interference: noise plus echo; floor: least gain per bin. */
void cv_suppress_process(cv_suppress *suppress, const float *power, const float *interference,
                         const float *floor);

#endif
