/* Reads pictures from the standard input and writes their probabilities, as floats, to the standard output. */
#include <stdio.h>

#include "network.h"

int main(void)
{
    static uint8_t picture[GPUCNN_BYTES];
    float probabilities[GPUCNN_CLASSES];
    while (fread(picture, 1, GPUCNN_BYTES, stdin) == GPUCNN_BYTES) {
        gpucnn_predict(picture, probabilities);
        fwrite(probabilities, sizeof(float), GPUCNN_CLASSES, stdout);
    }
    return 0;
}
