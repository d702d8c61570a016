/* What networks do between their matrix products, forward and backward, in few passes over memory.
 *
 * Plain C with OpenMP and vectors of GCC and Clang; no header of torch or Python. Python hands in addresses of
 * contiguous tensors. Rows are divided among threads in one fixed way, so that the same number of threads gives the
 * same bits. All arithmetic is fp32; "T" is what matrix products read and write: fp32, or bf16 as its upper half.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WIDE 16 /* numbers that are worked on together */
typedef float vec __attribute__((vector_size(4 * WIDE)));
typedef int32_t ivec __attribute__((vector_size(4 * WIDE)));
typedef float loose_vec __attribute__((vector_size(4 * WIDE), aligned(4))); /* at any address of a float */

/* Longest attention, and widest head, that are kept in a core's own cache. */
#define MOST_TIME 256
#define MOST_HEAD 128

typedef uint16_t hvec __attribute__((vector_size(2 * WIDE)));
typedef uint32_t uvec __attribute__((vector_size(4 * WIDE)));

static inline vec load(const float *at) { return *(const loose_vec *)at; }
static inline void store(float *at, vec value) { *(loose_vec *)at = value; }
static inline vec all(float value) { return (vec){0} + value; }
static inline ivec bits_of(vec value) { ivec found; memcpy(&found, &value, sizeof found); return found; }
static inline vec of_bits(ivec value) { vec found; memcpy(&found, &value, sizeof found); return found; }
static inline vec choose(ivec where, vec yes, vec no) { return of_bits((bits_of(yes) & where) | (bits_of(no) & ~where)); }

typedef float vec8 __attribute__((vector_size(32)));
typedef float vec4 __attribute__((vector_size(16)));

static inline float sum_of(vec value) {
    vec8 low, high;
    memcpy(&low, &value, 32);
    memcpy(&high, (const char *)&value + 32, 32);
    low += high;
    vec4 left, right;
    memcpy(&left, &low, 16);
    memcpy(&right, (const char *)&low + 16, 16);
    left += right;
    return (left[0] + left[2]) + (left[1] + left[3]);
}

static inline float largest_of(vec value) {
    float found[WIDE];
    store(found, value);
    for (int half = WIDE / 2; half; half /= 2)
        for (int i = 0; i < half; i++) found[i] = found[i] > found[i + half] ? found[i] : found[i + half];
    return found[0];
}

/* e^x within 2 units in the last place; 0 below -87. Cody and Waite's reduction, Cephes' polynomial. */
static inline __attribute__((always_inline)) vec exp_of(vec x) {
    const float shift = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number, kept in the lowest bits */
    ivec vanishes = x < all(-87.0f);
    x = choose(x > all(88.0f), all(88.0f), x);
    vec whole = x * 1.44269504f + shift;
    ivec power = bits_of(whole) - bits_of(all(shift));
    whole -= shift;
    x = x - whole * 0.693359375f + whole * 2.12194440e-4f;
    vec y = all(1.9875691500e-4f);
    y = y * x + 1.3981999507e-3f;
    y = y * x + 8.3334519073e-3f;
    y = y * x + 4.1665795894e-2f;
    y = y * x + 1.6666665459e-1f;
    y = y * x + 5.0000001201e-1f;
    y = y * x * x + x + 1.0f;
    return of_bits(bits_of(y * of_bits((power + 127) << 23)) & ~vanishes);
}

/* The normal distribution's P(X <= x), and its density; Abramowitz and Stegun 7.1.26, within 1e-7. */
static inline void normal_of(vec x, vec *below, vec *density) {
    vec size = of_bits(bits_of(x) & 0x7fffffff);
    vec bell = exp_of(x * x * -0.5f);
    vec t = 1.0f / (1.0f + size * 0.2316418882f); /* 0.3275911 / sqrt(2) */
    vec tail = all(1.061405429f);
    tail = tail * t - 1.453152027f;
    tail = tail * t + 1.421413741f;
    tail = tail * t - 0.284496736f;
    tail = tail * t + 0.254829592f;
    tail = tail * t * bell * 0.5f;
    *below = choose(x < all(0.0f), tail, 1.0f - tail);
    *density = bell * 0.3989422804f;
}

typedef uint16_t __attribute__((may_alias)) half;

/* Sixteen random bits an element: SplitMix64 (Steele, Lea & Flood, 2014) counted from the row's first word. */
static inline void draw(uint64_t *words, long count, uint64_t seed, uint64_t first) {
    for (long i = 0; i < count; i++) {
        uint64_t z = seed + (first + (uint64_t)i + 1) * 0x9e3779b97f4a7c15ull;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
        words[i] = z ^ (z >> 31);
    }
}

/* The same for sixteen elements whose bits were drawn. */
static inline vec keep_of(const half *bits, int bound, float scale) {
    hvec drawn;
    memcpy(&drawn, bits, sizeof drawn);
    ivec value = __builtin_convertvector(drawn, ivec);
    return choose(value >= bound, all(scale), all(0.0f));
}

/* What a row is multiplied by: 0 where its bits are below the bound, else the scale. */
static inline void keep_row(float *keep, uint64_t *words, long width, uint64_t seed, uint64_t row, int bound, float scale) {
    long count = (width + 3) / 4;
    draw(words, count, seed, row * (uint64_t)count);
    const half *bits = (const half *)words;
    for (long i = 0; i < width; i++) keep[i] = bits[i] >= bound ? scale : 0.0f;
}

static inline float from_bf16(uint16_t value) {
    uint32_t whole = (uint32_t)value << 16;
    float found;
    memcpy(&found, &whole, sizeof found);
    return found;
}

static inline uint16_t to_bf16(float value) { /* to the nearest, ties to even; what is not a number stays none */
    uint32_t whole;
    memcpy(&whole, &value, sizeof whole);
    uint32_t rounded = (whole + 0x7fffu + ((whole >> 16) & 1u)) >> 16;
    return (uint16_t)((whole & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : rounded);
}

static inline vec widen_fp32(const float *from) { return load(from); }
static inline void narrow_fp32(float *to, vec value) { store(to, value); }

static inline vec widen_bf16(const uint16_t *from) {
    hvec value;
    memcpy(&value, from, sizeof value);
    uvec whole = __builtin_convertvector(value, uvec) << 16;
    vec found;
    memcpy(&found, &whole, sizeof found);
    return found;
}

static inline void narrow_bf16(uint16_t *to, vec value) { /* as to_bf16 */
    uvec whole, none = {0};
    memcpy(&whole, &value, sizeof whole);
    uvec lost = (uvec)((whole & 0x7fffffffu) > 0x7f800000u), rounded = (whole + 0x7fffu + ((whole >> 16) & 1u)) >> 16;
    hvec found = __builtin_convertvector((rounded & ~lost) | ((none + 0x7fc0u) & lost), hvec);
    memcpy(to, &found, sizeof found);
}

/* The share of one thread of so many rows. */
#define SHARE(rows, first, last)                                                     \
    long first = (rows) * omp_get_thread_num() / omp_get_num_threads();              \
    long last = (rows) * (omp_get_thread_num() + 1) / omp_get_num_threads();
int omp_get_thread_num(void);
int omp_get_num_threads(void);

/* Sums of the threads' own accumulators, in the threads' order. */
static void add_up(float *total, const float *parts, long width, int threads) {
    for (long i = 0; i < width; i++) {
        float found = 0;
        for (int thread = 0; thread < threads; thread++) found += parts[(long)thread * width + i];
        total[i] = found;
    }
}

/* The next ``rows`` rows of c = a * b, see multiply. */
#define ROWS(rows)                                                                                       \
    for (; row + (rows) <= m; row += (rows)) {                                                           \
        vec sums[rows];                                                                                  \
        for (int i = 0; i < (rows); i++) sums[i] = (vec){0};                                             \
        const float *left = a + row * a_row;                                                             \
        for (long inner = 0; inner < k; inner++, left += a_column) {                                     \
            vec right = load(b + inner * b_row + column);                                                \
            _Pragma("GCC unroll 8") for (int i = 0; i < (rows); i++) sums[i] += left[i * a_row] * right; \
        }                                                                                                \
        for (int i = 0; i < (rows); i++) store(c + (row + i) * c_row + column, sums[i]);                 \
    }

/* c (m, n) = a (m, k) * b (k, n), for n a multiple of 16. a is read with strides, so that it may lie transposed. */
static inline __attribute__((always_inline)) void multiply(
    long m, long n, long k, const float *a, long a_row, long a_column, const float *b, long b_row, float *c, long c_row) {
    for (long column = 0; column < n; column += WIDE) {
        long row = 0;
        ROWS(8)
        ROWS(4)
        ROWS(1)
    }
}

/* One size of a batch's attention. Strides of the bias are 0 along what it is the same for. */
typedef struct {
    long batch, time, heads, width;
    float scale; /* of scores */
    const float *bias;
    long bias_batch, bias_head, bias_row;
    uint64_t seed;
    int bound; /* of the bits that drop; 0: nothing is dropped */
    float kept; /* what stays is scaled by it */
    const int64_t *starts; /* (batch + 1,): first rows of examples that lie packed; then time is that of the longest */
} Attention;

/* One head of one example: where its rows begin, and how many there are. */
typedef struct {
    long example, head, first, time;
} Pair;

static inline Pair find_pair(const Attention *of, long number) {
    const long example = number / of->heads;
    Pair found = {example, number % of->heads, example * of->time, of->time};
    if (of->starts) {
        found.first = of->starts[example];
        found.time = of->starts[example + 1] - found.first;
    }
    return found;
}

/* Words of random bits for the weights of one head; reading sixteen at a time may go past the last row's end. */
#define WORDS (MOST_TIME * MOST_TIME / 4 + WIDE)

/* The mask of a row is that which it would have if all examples were as long as the longest. */
static inline long draw_head(uint64_t *words, const Attention *of, Pair pair) {
    const long count = (of->time + 3) / 4; /* words of a row */
    draw(words, pair.time * count, of->seed, (uint64_t)((pair.example * of->heads + pair.head) * of->time * count));
    memset(words + pair.time * count, 0, sizeof(uint64_t) * WIDE / 4);
    return count;
}

/* (time, width) to (width, padded), with zeros behind. */
static inline void flip(const float *from, long time, long width, float *to, long padded) {
    for (long i = 0; i < width; i++) {
        for (long row = 0; row < time; row++) to[i * padded + row] = from[row * width + i];
        for (long row = time; row < padded; row++) to[i * padded + row] = 0;
    }
}

/* Scores (time, padded) to weights; what is behind a row's end becomes zero. known: most and share are. */
static inline void softmax(float *scores, const Attention *of, Pair pair, long padded, float *most, float *share, int known) {
    float bias[MOST_TIME];
    for (long i = 0; i < padded; i++) bias[i] = i < pair.time ? 0.0f : -INFINITY;
    for (long row = 0; row < pair.time; row++) {
        float *line = scores + row * padded;
        if (of->bias && (row == 0 || of->bias_row)) {
            const float *from = of->bias + pair.example * of->bias_batch + pair.head * of->bias_head + row * of->bias_row;
            memcpy(bias, from, sizeof(float) * (size_t)pair.time);
        }
        vec top = all(-INFINITY);
        for (long i = 0; i < padded; i += WIDE) {
            vec score = load(line + i) * of->scale + load(bias + i);
            store(line + i, score);
            top = choose(score > top, score, top);
        }
        if (!known) most[row] = largest_of(top);
        vec sum = {0};
        for (long i = 0; i < padded; i += WIDE) {
            vec power = exp_of(load(line + i) - most[row]);
            sum += power;
            store(line + i, power);
        }
        if (!known) share[row] = 1.0f / sum_of(sum);
        for (long i = 0; i < padded; i += WIDE) store(line + i, load(line + i) * share[row]);
    }
}

/* Rows that are summed in fp32 before they are added up in fp64. */
#define SUMMED 64

/* A map that goes into a sum, see maps.h: x (rows, channels) T; of each channel, what a normalisation makes of it. */
typedef struct {
    const void *x;
    const float *mean, *rstd, *gain, *shift; /* no gain: x goes in as it is */
} Map;

/* Maps, and the square windows over them: one every ``stride`` places, the first ``pad`` places outside. */
typedef struct {
    long batch, height, width, channels;
    long high, wide; /* how many windows */
    long size, stride, pad;
} Windows;

#define NOWHERE 255 /* no place in a window, of which there are fewer */

static inline vec relu_of(vec value) { return choose(value < all(0.0f), all(0.0f), value); } /* none stays none */

/* As take and give of kernels.h, for numbers of other types. */
static inline vec some(const float *from, long count) {
    if (count >= WIDE) return load(from);
    float rest[WIDE] = {0};
    memcpy(rest, from, sizeof(float) * (size_t)count);
    return load(rest);
}

typedef uint8_t bvec __attribute__((vector_size(WIDE)));

static inline ivec places(const uint8_t *from, long count) {
    bvec value = {0};
    if (count >= WIDE) memcpy(&value, from, sizeof value);
    else memcpy(&value, from, (size_t)count);
    return __builtin_convertvector(value, ivec);
}

static inline void give_places(uint8_t *to, ivec places, long count) {
    bvec value = __builtin_convertvector(places, bvec);
    memcpy(to, &value, (size_t)(count < WIDE ? count : WIDE));
}

static inline void add_lanes(double *to, vec value, long count) {
    for (long i = 0; i < (count < WIDE ? count : WIDE); i++) to[i] += value[i];
}

/* A normalisation as x * by + plus. */
static void slopes(const Map *of, long width, float *by, float *plus) {
    for (long i = 0; of->gain && i < width; i++) {
        by[i] = of->gain[i] * of->rstd[i];
        plus[i] = of->shift[i] - of->mean[i] * by[i];
    }
}

/* Backward of a normalisation as grad * by - less - (x - mean) * slope. */
static void corrections(const Map *of, const float *d_shift, const float *d_gain, long rows, long width, float *by,
                        float *less, float *slope) {
    for (long i = 0; i < width; i++) {
        by[i] = of->gain[i] * of->rstd[i];
        less[i] = by[i] * d_shift[i] / (float)rows;
        slope[i] = by[i] * of->rstd[i] * d_gain[i] / (float)rows;
    }
}

#define NAME(name) name##_fp32
#define T float
#define GET(value) (value)
#define PUT(value) (value)
#include "kernels.h"
#include "maps.h"
#undef NAME
#undef T
#undef GET
#undef PUT
#define NAME(name) name##_bf16
#define T uint16_t
#define GET(value) from_bf16(value)
#define PUT(value) to_bf16(value)
#include "kernels.h"
#include "maps.h"

/* y = x, and z = x + y, for x in bf16 and y, z in fp32. */
void widen(const uint16_t *x, float *y, long count, int threads) {
    long blocks = (count + WIDE - 1) / WIDE;
#pragma omp parallel num_threads(threads)
    {
        SHARE(blocks, first, last)
        for (long at = first * WIDE; at < last * WIDE; at += WIDE) {
            if (count - at >= WIDE) store(y + at, widen_bf16(x + at));
            else for (long i = at; i < count; i++) y[i] = from_bf16(x[i]);
        }
    }
}

void add_wide(const uint16_t *x, const float *y, float *z, long count, int threads) {
    long blocks = (count + WIDE - 1) / WIDE;
#pragma omp parallel num_threads(threads)
    {
        SHARE(blocks, first, last)
        for (long at = first * WIDE; at < last * WIDE; at += WIDE) {
            if (count - at >= WIDE) store(z + at, widen_bf16(x + at) + load(y + at));
            else for (long i = at; i < count; i++) z[i] = from_bf16(x[i]) + y[i];
        }
    }
}

/* Sixteen rows of sixteen halves, turned: each stage interleaves rows that are eight apart. */
#ifdef __clang__
#define MIX(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define MIX(a, b, ...) __builtin_shuffle(a, b, (hvec){__VA_ARGS__})
#endif
static inline __attribute__((always_inline)) void turn(const uint16_t *from, long from_row, uint16_t *to, long to_row) {
    hvec rows[16], next[16];
    for (int i = 0; i < 16; i++) memcpy(rows + i, from + i * from_row, sizeof(hvec));
    for (int stage = 0; stage < 4; stage++) {
        for (int i = 0; i < 8; i++) {
            next[2 * i] = MIX(rows[i], rows[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            next[2 * i + 1] = MIX(rows[i], rows[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        }
        for (int i = 0; i < 16; i++) rows[i] = next[i];
    }
    for (int i = 0; i < 16; i++) memcpy(to + i * to_row, rows + i, sizeof(hvec));
}

/* x (rows, width) to y (width, rows), both bf16. */
void transpose(const uint16_t *x, uint16_t *y, long rows, long width, int threads) {
    const long strips = (width + WIDE - 1) / WIDE;
#pragma omp parallel num_threads(threads)
    {
        SHARE(strips, first, last)
        for (long strip = first; strip < last; strip++) {
            long column = strip * WIDE, end = column + WIDE < width ? column + WIDE : width, row = 0;
            if (end - column == WIDE)
                for (; row + WIDE <= rows; row += WIDE) turn(x + row * width + column, width, y + column * rows + row, rows);
            for (; row < rows; row++)
                for (long i = column; i < end; i++) y[i * rows + row] = x[row * width + i];
        }
    }
}

#include "tiles.h"
#include "layer.h"

/* A weight with its gradient, Adam's moments, and how many steps it has had. If products read it in tiles, those too, see
 * pack_panel. */
typedef struct {
    float *weight;
    const float *grad;
    float *first, *second, *steps;
    long count;
    uint16_t *forward, *backward; /* none: it is not in tiles */
    long in, row, rows;
} Weight;

#define PIECE 16384 /* numbers that one thread takes at a time */

/* With panels, what is in tiles is taken by 32 rows, which then lie in a core's cache to be packed. */
static long piece_size(const Weight *of, int panels) { return panels && of->forward ? SIDE * of->in : PIECE; }

static long pieces_of(const Weight *weights, long number, int panels) {
    long found = 0;
    for (long i = 0; i < number; i++) {
        const long size = piece_size(weights + i, panels);
        found += (weights[i].count + size - 1) / size;
    }
    return found;
}

/* The piece's weight; *at becomes its first number, *end the one behind its last. */
static const Weight *find_piece(const Weight *weights, long piece, int panels, long *at, long *end) {
    for (;; weights++) {
        const long size = piece_size(weights, panels), own = (weights->count + size - 1) / size;
        if (piece < own) {
            *at = piece * size;
            *end = *at + size < weights->count ? *at + size : weights->count;
            return weights;
        }
        piece -= own;
    }
}

/* The sum of all gradients' squares: by pieces, which are added in one order, so that threads do not matter.
 * parts: as many numbers as there are pieces, to work in. */
double squares(const Weight *weights, long number, double *parts, int threads) {
    const long pieces = pieces_of(weights, number, 0);
#pragma omp parallel num_threads(threads)
    {
        SHARE(pieces, first, last)
        for (long piece = first; piece < last; piece++) {
            long at, end;
            const Weight *of = find_piece(weights, piece, 0, &at, &end);
            vec sum = {0};
            for (; at + WIDE <= end; at += WIDE) {
                vec value = load(of->grad + at);
                sum += value * value;
            }
            double rest = 0;
            for (; at < end; at++) rest += (double)of->grad[at] * of->grad[at];
            parts[piece] = sum_of(sum) + rest;
        }
    }
    double found = 0;
    for (long piece = 0; piece < pieces; piece++) found += parts[piece];
    return found;
}

/* One step of Adam with decoupled decay (Loshchilov & Hutter, 2019, arXiv:1711.05101), of which ``decay`` is rate * decay;
 * gradients count ``scale`` times. */
void adamw(const Weight *weights, long number, double learning_rate, double decay, double beta1_exactly, double beta2_exactly,
           float scale, float epsilon, int threads) {
    const long pieces = pieces_of(weights, number, 1);
    const float leaves = (float)(1 - decay), beta1 = (float)beta1_exactly, beta2 = (float)beta2_exactly;
    for (long i = 0; i < number; i++) *weights[i].steps += 1;
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(dynamic, 4)
        for (long piece = 0; piece < pieces; piece++) {
            long at, end;
            const Weight *of = find_piece(weights, piece, 1, &at, &end);
            const float rate = (float)(learning_rate / (1 - pow(beta1_exactly, *of->steps)));
            const float root = (float)(1 / sqrt(1 - pow(beta2_exactly, *of->steps)));
            float *restrict weight = of->weight, *restrict first = of->first, *restrict second = of->second;
            const float *restrict grad = of->grad;
            for (long i = at; i < end; i++) {
                float by = grad[i] * scale;
                float one = first[i] + (by - first[i]) * (1.0f - beta1);
                float two = second[i] * beta2 + by * by * (1.0f - beta2);
                first[i] = one;
                second[i] = two;
                weight[i] = weight[i] * leaves - rate * one / (sqrtf(two) * root + epsilon);
            }
            if (of->forward) pack_panel(weight, of->in, at / (SIDE * of->in), of->row, of->rows, of->forward, of->backward);
        }
    }
}

/* Every window's places in one row, by height and width, with zeros outside: x (batch, height, width, channels) bf16 to
 * cols (batch * high * wide, size * size * channels). */
void unfold(const uint16_t *x, const Windows *of, uint16_t *cols, int threads) {
    const long across = of->size * of->channels;
#pragma omp parallel num_threads(threads)
    {
        SHARE(of->batch * of->high, first, last)
        for (long row = first; row < last; row++)
            for (long column = 0; column < of->wide; column++) {
                const long left = column * of->stride - of->pad, nearer = left < 0 ? -left : 0;
                const long farther = left + of->size < of->width ? of->size : of->width - left;
                uint16_t *to = cols + (row * of->wide + column) * of->size * across;
                for (long up = 0; up < of->size; up++, to += across) {
                    const long y = row % of->high * of->stride - of->pad + up;
                    if (y < 0 || y >= of->height || nearer >= farther) {
                        memset(to, 0, sizeof(uint16_t) * (size_t)across);
                        continue;
                    }
                    const uint16_t *from = x + ((row / of->high * of->height + y) * of->width + left) * of->channels;
                    const long begin = nearer * of->channels, end = farther * of->channels;
                    memset(to, 0, sizeof(uint16_t) * (size_t)begin);
                    memcpy(to + begin, from + begin, sizeof(uint16_t) * (size_t)(end - begin));
                    memset(to + end, 0, sizeof(uint16_t) * (size_t)(across - end));
                }
            }
    }
}

#include "facts.h"
