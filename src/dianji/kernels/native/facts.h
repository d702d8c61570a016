/* What Python compares before it calls anything: structs and constants that it writes down a second time. */

/* Bytes of a thread's stack that the hungriest kernel takes, attend_backward: seven arrays and the bits of a mask. */
#define STACK (sizeof(float) * (5 * MOST_TIME * MOST_HEAD + 2 * MOST_TIME * MOST_TIME) + sizeof(uint64_t) * WORDS)

/* Raised with every change of a function's arguments or of a struct. */
#define ABI 1

/* In the order of ``FACTS`` in structs.py; -1 behind the last. */
long fact(long number) {
    static const long facts[] = {
        ABI,
        sizeof(Attention), sizeof(Map), sizeof(Windows), sizeof(Weight), sizeof(Linear), sizeof(Norm), sizeof(Layer),
        WIDE, MOST_TIME, MOST_HEAD, PIECE, SIDE, DEEP, STACK,
    };
    return number >= 0 && number < (long)(sizeof facts / sizeof *facts) ? facts[number] : -1;
}

/* The address of a function of the OpenMP library that this one was bound to. */
void *openmp(void) { return (void *)(intptr_t)omp_get_num_threads; }
