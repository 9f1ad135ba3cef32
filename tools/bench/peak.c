/* The most that this machine computes: multiply-adds on registers alone, in as many threads as asked for.

   cc -O3 -march=native -ffp-contract=fast -pthread peak.c -o peak && ./peak THREADS
   prints GFLOP/s, the best of several runs; a multiply-add counts as two. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif

typedef float vec __attribute__((vector_size(BYTES)));

/* Independent sums, enough to hide a multiply-add's latency; with the two factors they fit into 16 registers. */
#if defined(__AVX512F__) || defined(__aarch64__)
#define EACH(OP) \
    OP(0) OP(1) OP(2) OP(3) OP(4) OP(5) OP(6) OP(7) OP(8) OP(9) OP(10) OP(11) \
    OP(12) OP(13) OP(14) OP(15) OP(16) OP(17) OP(18) OP(19) OP(20) OP(21) OP(22) OP(23)
#define SUMS 24
#else
#define EACH(OP) OP(0) OP(1) OP(2) OP(3) OP(4) OP(5) OP(6) OP(7) OP(8) OP(9) OP(10) OP(11)
#define SUMS 12
#endif
#define BEGIN(i) vec sum##i = factor * i;
#define ADD(i) sum##i = sum##i * factor + term;
#define GATHER(i) total += sum##i;

enum { ROUNDS = 10 * 1000 * 1000, RUNS = 40, MOST_THREADS = 1024 };

static void *compute(void *result)
{
    vec factor, term, total = {0};
    for (int lane = 0; lane < BYTES / 4; lane++) {
        factor[lane] = 0.5f + *(volatile float *)result; /* unknown to the compiler; sums settle near 2 */
        term[lane] = 1.0f;
    }
    EACH(BEGIN)
    for (long round = 0; round < ROUNDS; round++) {
        EACH(ADD)
    }
    EACH(GATHER)
    *(float *)result = total[0];
    return NULL;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + 1e-9 * time.tv_nsec;
}

static double run(int threads)
{
    static pthread_t others[MOST_THREADS];
    static float results[MOST_THREADS][BYTES / 4];
    for (int i = 0; i < threads; i++)
        results[i][0] = 0.0f;
    double start = now();
    for (int i = 1; i < threads; i++)
        if (pthread_create(&others[i], NULL, compute, results[i]))
            exit(1);
    compute(results[0]);
    for (int i = 1; i < threads; i++)
        pthread_join(others[i], NULL);
    return 2.0 * threads * ROUNDS * SUMS * (BYTES / 4) / (now() - start) * 1e-9;
}

int main(int count, char **arguments)
{
    int threads = count == 2 ? atoi(arguments[1]) : 0;
    if (threads < 1 || threads > MOST_THREADS) {
        fprintf(stderr, "usage: peak THREADS, 1 to %d\n", MOST_THREADS);
        return 2;
    }
    double best = 0;
    for (int i = 0; i < RUNS; i++) {
        double rate = run(threads);
        best = rate > best ? rate : best;
    }
    printf("%.1f\n", best);
    return 0;
}
