/* Softmax, and softmax with cross-entropy for class numbers. */
#ifndef GPUCNN_SOFTMAX_H
#define GPUCNN_SOFTMAX_H

#include <stdint.h>

/* For each of `places` columns of logits (classes, places): losses = -sum(target * log_softmax), where the target is
 * (1 - smoothing) at the class that `labels` names, and smoothing / classes everywhere. `total` is the sum of the
 * losses, times `scale`; `gradient`, unless NULL, that by the logits of scale * loss. A label that names no class has
 * loss NaN. */
void cross_entropy_float(const float *logits, const int64_t *labels, int64_t classes, int64_t places, double smoothing,
                         double scale, float *gradient, float *losses, float *total);
void cross_entropy_double(const double *logits, const int64_t *labels, int64_t classes, int64_t places,
                          double smoothing, double scale, double *gradient, double *losses, double *total);

/* Softmax along the middle axis of x (size / length / inner, length, inner). */
void softmax_float(const float *x, int64_t size, int64_t length, int64_t inner, float *out);
void softmax_double(const double *x, int64_t size, int64_t length, int64_t inner, double *out);

#endif
