/* Cross-entropy of logits (classes, places) with targets of that shape, and such targets of class numbers (places,). */
#ifndef GPUCNN_TARGETS_H
#define GPUCNN_TARGETS_H

#include <stdint.h>

/* target = weight ((1 - smoothing) one-hot + smoothing / classes), all 0 where the label is `ignored`; with `mean`
 * divided by the sum of weight[label] over the other places. What is no class has NaN as target. */
void class_targets_float(const int64_t *labels, const float *weight, int64_t ignored, double smoothing, int mean,
                         int64_t classes, int64_t places, float *target);
void class_targets_double(const int64_t *labels, const double *weight, int64_t ignored, double smoothing, int mean,
                          int64_t classes, int64_t places, double *target);

/* With t = weight ((1 - smoothing) target + smoothing / classes), weight (classes,) or NULL for 1: losses (places,) =
 * -sum(t log_softmax(logits)), where a t of 0 adds nothing; *total = scale * their sum; gradient (classes, places), or
 * NULL, that of scale * losses by the logits. */
void target_entropy_float(const float *logits, const float *target, const float *weight, int64_t classes,
                          int64_t places, double smoothing, double scale, float *gradient, float *losses,
                          float *total);
void target_entropy_double(const double *logits, const double *target, const double *weight, int64_t classes,
                           int64_t places, double smoothing, double scale, double *gradient, double *losses,
                           double *total);

#endif
