#include "common.cuh"

// One thread. integers: (steps, 2), a start and a seed; numbers: (steps, groups, 3); now: start, seed, step, next step;
// scales: (groups, 4).
KERNEL begin(Integer groups, const Integer *integers, const double *numbers, Integer *now, double *scales) {
    const Integer step = now[3];
    for (Integer group = 0; group < groups; group++)
        for (int i = 0; i < 3; i++) scales[group * 4 + i] = numbers[(step * groups + group) * 3 + i];
    now[0] = integers[step * 2];
    now[1] = integers[step * 2 + 1];
    now[2] = step;
    now[3] = step + 1;
}
