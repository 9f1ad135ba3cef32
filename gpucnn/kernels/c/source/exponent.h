/* What splits e to the power of x, at most 0, into 2**n * e**r with n whole and |r| at most ln 2 / 2. */
#ifndef GPUCNN_EXPONENT_H
#define GPUCNN_EXPONENT_H

#define LOG2E 1.4426950408889634
#define LEAST_float -87.0f /* e to the power of less is less than 2**-125: nothing beside 1 */
#define LEAST_double -708.0
#define ROUND_float 12582912.0f /* 1.5 * 2**23: added to a number, it leaves the nearest whole one in the last bits */
#define ROUND_double 6755399441055744.0 /* 1.5 * 2**52 */
#define ROUND_BITS_float 0x4b400000
#define ROUND_BITS_double 0x4338000000000000
#define FRACTION_BITS_float 23
#define FRACTION_BITS_double 52
#define BIAS_float 127
#define BIAS_double 1023
#define LN2_HIGH_float 0.693359375f /* with few bits, so that its product with a whole number is exact */
#define LN2_LOW_float -2.12194440e-4f
#define LN2_HIGH_double 6.93147180369123816490e-01
#define LN2_LOW_double 1.90821492927058770002e-10

#endif
