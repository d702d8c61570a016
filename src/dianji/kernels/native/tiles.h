/* Products of bf16 matrices with sums in fp32, in the tiles of Intel's AMX; kernels.c includes this once.
 *
 * A tile has sixteen rows of 64 bytes. One instruction adds a (16, 32) times b (32, 16) to sixteen by sixteen sums, where
 * b lies in pairs of rows: (16, 16, 2). Blocks of 32 by 32 sums take four of the eight tiles, two of a and two of b the
 * others. What is b lies in panels of 32 columns, 32 rows after 32 rows, so that it is read from end to end; columns, and
 * rows of what is no gradient, are multiples of 32. The sum of a block is in one order, whatever lies beside it and
 * however many threads there are.
 */
#define SIDE 32
#define BLOCK (SIDE * SIDE)
#define DEEP 36 /* blocks that are summed at a time: of 384 columns as many as a core's own cache holds */

#if defined(__AMX_BF16__) && defined(__AVX512BF16__)
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Whether this process may use tiles; the system gives them on demand. */
int tiles(void) { return syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18 /* tile data */) == 0; }

typedef struct __attribute__((packed)) {
    uint8_t palette, start, none[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} Tiling;

static void begin_tiles(void) {
    Tiling all = {.palette = 1};
    for (int i = 0; i < 8; i++) all.bytes[i] = 64, all.rows[i] = 16;
    _tile_loadconfig(&all);
}

/* c = (more ? c : 0) + a * b, over ``steps`` times 32 of what is summed. a's tiles are ``below`` numbers apart, their rows
 * ``a_bytes`` bytes, and ``step`` numbers on lies what is summed next. */
static inline __attribute__((always_inline)) void add_block(
    const uint16_t *a, long below, long a_bytes, long step, const uint16_t *b, long steps, float *c, long c_row, int more) {
    const long bytes = 4 * c_row;
    float *lower = c + 16 * c_row;
    if (more) {
        _tile_loadd(0, c, bytes);
        _tile_loadd(1, c + 16, bytes);
        _tile_loadd(2, lower, bytes);
        _tile_loadd(3, lower + 16, bytes);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (long i = 0; i < steps; i++, a += step, b += BLOCK) {
        _tile_loadd(6, b, 64);
        _tile_loadd(4, a, a_bytes);
        _tile_loadd(7, b + BLOCK / 2, 64);
        _tile_loadd(5, a + below, a_bytes);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, c, bytes);
    _tile_stored(1, c + 16, bytes);
    _tile_stored(2, lower, bytes);
    _tile_stored(3, lower + 16, bytes);
}

/* 1/2 + x * p(x^2), with p a polynomial, highest power first, in x^2 from -1 to 1; x beyond ``most`` counts as that. */
static inline __attribute__((always_inline)) vec half_and_odd(vec x, float most, const float *p, int terms) {
    vec kept = (vec)_mm512_max_ps((__m512)all(-most), _mm512_min_ps((__m512)all(most), (__m512)x));
    vec at = kept * kept * (2.0f / (most * most)) - 1.0f, y = all(p[0]);
    for (int i = 1; i < terms; i++) y = y * at + p[i];
    return kept * y + 0.5f;
}

/* gelu(x) / x, and gelu's derivative, within 3e-6, which bf16 does not show: Chebyshev's polynomials of the exact ones. */
static inline vec gelu_share(vec x) {
    static const float p[] = {7.353763795e-4f,  -1.676730928e-3f, 1.374596148e-3f,  -2.526916796e-3f, 6.766527425e-3f,
                              -1.130712498e-2f, 1.623608917e-2f,  -2.321312763e-2f, 3.147675842e-2f,  -4.045128077e-2f,
                              5.151792988e-2f,  -7.029590756e-2f, 1.413638145e-1f};
    return half_and_odd(x, 5.0f, p, 13);
}

static inline vec gelu_slope(vec x) {
    static const float p[] = {1.267717034e-2f, -2.511548065e-2f, 2.290778328e-3f,  6.300958339e-4f,  5.186356604e-2f,
                              -7.514079660e-2f, 5.922080204e-2f, -6.376653910e-2f, 7.579194009e-2f, -7.080668956e-2f,
                              6.011871994e-2f, -5.354277417e-2f, 5.367467925e-2f, -6.574510783e-2f, 1.287591308e-1f};
    return half_and_odd(x, 5.5f, p, 15);
}

/* Two vectors as 32 halves; what is smaller than a normal number becomes zero. */
static inline void narrow_two(uint16_t *to, vec low, vec high) {
    __m512bh both = _mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
    memcpy(to, &both, sizeof both);
}

/* One pair of rows of b: 32 numbers of each, the upper row in the lower halves. */
static inline void pair_up(uint16_t *to, hvec upper, hvec lower) {
    uvec both = __builtin_convertvector(upper, uvec) | (__builtin_convertvector(lower, uvec) << 16);
    memcpy(to, &both, sizeof both);
}

/* Lines of 32 halves, or of 16 numbers, that are read soon: rows that lie far apart are too many for a core to foresee. */
static inline __attribute__((always_inline)) void foresee(const void *at, long bytes, long count, int write) {
    for (long i = 0; i < count; i++)
        if (write) __builtin_prefetch((const char *)at + i * bytes, 1);
        else __builtin_prefetch((const char *)at + i * bytes, 0);
}

/* Rows [row, + 32) and columns [column, + 32) of x (rows, width) to a block of b; what is missing is zero. */
static void pack_rows(const uint16_t *x, long rows, long width, long row, long column, uint16_t *block) {
    foresee(x + row * width + column + 2 * SIDE, 2 * width, SIDE, 0);
    for (long pair = 0; pair < 16; pair++, row += 2) {
        const uint16_t *from = x + row * width + column;
        for (int half = 0; half < 2; half++) {
            hvec upper = {0}, lower = {0};
            if (row < rows) memcpy(&upper, from + half * WIDE, sizeof upper);
            if (row + 1 < rows) memcpy(&lower, from + width + half * WIDE, sizeof lower);
            pair_up(block + half * BLOCK / 2 + pair * 32, upper, lower);
        }
    }
}

/* The same, turned, to a block of a: its columns below each other, tile by tile. */
static void pack_columns(const uint16_t *x, long rows, long width, long row, long column, uint16_t *block) {
    const long there = rows - row;
    const uint16_t *from = x + row * width + column;
    uint16_t edge[BLOCK];
    foresee(from + 2 * SIDE * width, 2 * width, SIDE, 0);
    if (there < SIDE) {
        memset(edge, 0, sizeof edge);
        for (long i = 0; i < there; i++) memcpy(edge + i * SIDE, from + i * width, 64);
        from = edge, width = SIDE;
    }
    for (int i = 0; i < 4; i++) turn(from + i % 2 * 16 * width + i / 2 * 16, width, block + i / 2 * BLOCK / 2 + i % 2 * 16, SIDE);
}

#ifdef __clang__
#define MIX_PAIRS(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define MIX_PAIRS(a, b, ...) __builtin_shuffle(a, b, (uvec){__VA_ARGS__})
#endif

/* Sixteen rows of sixteen pairs, turned, as ``turn`` does. */
static inline void turn_pairs(uvec *rows) {
    uvec next[16];
    for (int stage = 0; stage < 4; stage++) {
        for (int i = 0; i < 8; i++) {
            next[2 * i] = MIX_PAIRS(rows[i], rows[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            next[2 * i + 1] = MIX_PAIRS(rows[i], rows[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        }
        for (int i = 0; i < 16; i++) rows[i] = next[i];
    }
}

/* 32 rows of a weight (out, in) fp32, from row ``panel`` * 32 on, which is row ``first`` of one with ``all`` rows, as b of
 * both directions: ``forward`` for x * weight^T, ``backward`` for dy * weight. */
static void pack_panel(const float *weight, long in, long panel, long first, long all, uint16_t *forward, uint16_t *backward) {
    const long steps = in / SIDE, place = first / SIDE + panel;
    for (long step = 0; step < steps; step++) {
        uint16_t rows[BLOCK]; /* 32 outputs, 32 inputs */
        foresee(weight + panel * SIDE * in + step * SIDE + 2 * SIDE, 4 * in, SIDE, 0);
        foresee(weight + panel * SIDE * in + step * SIDE + 2 * SIDE + WIDE, 4 * in, SIDE, 0);
        for (int i = 0; i < SIDE; i++) {
            const float *at = weight + (panel * SIDE + i) * in + step * SIDE;
            narrow_two(rows + i * SIDE, load(at), load(at + WIDE));
        }
        uint16_t *block = forward + (place * steps + step) * BLOCK;
        for (int half = 0; half < 2; half++) {
            uvec pairs[16];
            memcpy(pairs, rows + half * BLOCK / 2, sizeof pairs);
            turn_pairs(pairs);
            memcpy(block + half * BLOCK / 2, pairs, sizeof pairs);
        }
        pack_rows(rows, SIDE, SIDE, 0, 0, backward + (step * (all / SIDE) + place) * BLOCK);
    }
}

/* A whole weight (out, in). */
void tiles_pack(const float *weight, long out, long in, long first, long all, uint16_t *forward, uint16_t *backward, int threads) {
#pragma omp parallel num_threads(threads)
    {
        SHARE(out / SIDE, from, to)
        for (long panel = from; panel < to; panel++) pack_panel(weight, in, panel, first, all, forward, backward);
    }
}

/* What becomes of a block's sums. */
enum { NARROW, GELU, NARROW_AND_GELU, WIDE_SUM, GELU_BACKWARD };

typedef struct {
    const float *bias;    /* (n,), or none */
    const float *added;   /* (rows, n), or none: to a wide result */
    const uint16_t *gone; /* (rows, n): what went into gelu */
    uint16_t *narrow, *gelu;
    float *wide;
    float *total; /* (n,): of the rows of a narrow result */
} Finish;

/* A block of sums (32, 32) and where it belongs: its first number's place among rows of n numbers, and its column. Rows
 * before ``skip`` were finished with another block. */
typedef struct {
    float sums[BLOCK] __attribute__((aligned(64)));
    long at, column, skip;
} Block;

/* One row of sums; ``kind`` is a constant. */
static inline __attribute__((always_inline)) void finish_row(int kind, const Finish *f, const Block *of, long row, long n) {
    const long at = of->at + row * n;
    vec y[2];
    for (int half = 0; half < 2; half++) {
        y[half] = load(of->sums + row * SIDE + half * WIDE);
        if (kind == WIDE_SUM) {
            if (f->added) y[half] += load(f->added + at + half * WIDE);
            store(f->wide + at + half * WIDE, y[half]);
        } else if (f->bias) y[half] += load(f->bias + of->column + half * WIDE);
    }
    if (kind == NARROW || kind == NARROW_AND_GELU) narrow_two(f->narrow + at, y[0], y[1]);
    for (int half = 0; half < 2; half++) {
        if (kind == GELU || kind == NARROW_AND_GELU) y[half] *= gelu_share(y[half]);
        if (kind == GELU_BACKWARD) {
            float *total = f->total + of->column + half * WIDE;
            y[half] *= gelu_slope(widen_bf16(f->gone + at + half * WIDE));
            store(total, load(total) + y[half]);
        }
    }
    if (kind == GELU || kind == NARROW_AND_GELU) narrow_two(f->gelu + at, y[0], y[1]);
    if (kind == GELU_BACKWARD) narrow_two(f->narrow + at, y[0], y[1]);
}

/* What that will read and write. */
static inline void foresee_finish(int kind, const Finish *f, long at, long n) {
    if (kind == WIDE_SUM)
        for (int half = 0; half < 2; half++) {
            foresee(f->wide + at + half * WIDE, 4 * n, SIDE, 1);
            if (f->added) foresee(f->added + at + half * WIDE, 4 * n, SIDE, 0);
        }
    if (f->narrow) foresee(f->narrow + at, 2 * n, SIDE, 1);
    if (f->gelu) foresee(f->gelu + at, 2 * n, SIDE, 1);
    if (f->gone) foresee(f->gone + at, 2 * n, SIDE, 0);
}

/* The blocks of 32 rows from ``first`` on. While the tiles multiply, the block before is finished, row by row. The last one
 * begins early enough to have 32 rows, and leaves those before it. */
static inline __attribute__((always_inline)) void multiply_rows(
    int kind, const uint16_t *x, const uint16_t *weight, long rows, long k, long n, const Finish *f, long first, long last) {
    const long steps = k / SIDE;
    Block two[2], *now = two, *before = two + 1;
    before->skip = SIDE; /* there is none */
    begin_tiles();
    for (long block = first; block < last; block++) {
        const long row = block * SIDE + SIDE > rows ? rows - SIDE : block * SIDE;
        for (long column = 0; column < n; column += SIDE) {
            now->at = row * n + column, now->column = column, now->skip = block * SIDE - row;
            foresee_finish(kind, f, now->at, n);
            foresee(x + (row + SIDE) * k + column * k / n * SIDE, 64, k * SIDE / n + 1, 0); /* a part of the next rows */
            const uint16_t *a = x + row * k, *b = weight + column * k;
            _tile_zero(0);
            _tile_zero(1);
            _tile_zero(2);
            _tile_zero(3);
            for (long step = 0, done = 0; step < steps; step++, a += SIDE, b += BLOCK) {
                _tile_loadd(6, b, 64);
                _tile_loadd(4, a, 2 * k);
                _tile_loadd(7, b + BLOCK / 2, 64);
                _tile_loadd(5, a + 16 * k, 2 * k);
                _tile_dpbf16ps(0, 4, 6);
                _tile_dpbf16ps(1, 4, 7);
                _tile_dpbf16ps(2, 5, 6);
                _tile_dpbf16ps(3, 5, 7);
                for (const long end = (step + 1) * SIDE / steps; done < end; done++)
                    if (done >= before->skip) finish_row(kind, f, before, done, n);
            }
            _tile_stored(0, now->sums, 128);
            _tile_stored(1, now->sums + 16, 128);
            _tile_stored(2, now->sums + 512, 128);
            _tile_stored(3, now->sums + 528, 128);
            Block *other = before;
            before = now, now = other;
        }
    }
    _tile_release();
    for (long row = before->skip; row < SIDE; row++) finish_row(kind, f, before, row, n);
}

/* x (rows, k) * weight, for at least 32 rows. parts: as many numbers for each thread as there are columns, or none. */
static void product(int kind, const uint16_t *x, const uint16_t *weight, long rows, long k, long n, const Finish *given,
                    float *parts, int threads) {
#pragma omp parallel num_threads(threads)
    {
        Finish f = *given;
        if (parts) f.total = parts + (long)omp_get_thread_num() * n;
        SHARE((rows + SIDE - 1) / SIDE, first, last)
        switch (kind) {
        case NARROW: multiply_rows(NARROW, x, weight, rows, k, n, &f, first, last); break;
        case GELU: multiply_rows(GELU, x, weight, rows, k, n, &f, first, last); break;
        case NARROW_AND_GELU: multiply_rows(NARROW_AND_GELU, x, weight, rows, k, n, &f, first, last); break;
        case WIDE_SUM: multiply_rows(WIDE_SUM, x, weight, rows, k, n, &f, first, last); break;
        default: multiply_rows(GELU_BACKWARD, x, weight, rows, k, n, &f, first, last);
        }
    }
}

/* y = x * weight + bias, or its gelu, or both. */
void tiles_product(const uint16_t *x, const uint16_t *weight, const float *bias, long rows, long k, long n, uint16_t *y,
                   uint16_t *gelu, int threads) {
    Finish f = {.bias = bias, .narrow = y, .gelu = gelu};
    if (!gelu) product(NARROW, x, weight, rows, k, n, &f, 0, threads);
    else if (!y) product(GELU, x, weight, rows, k, n, &f, 0, threads);
    else product(NARROW_AND_GELU, x, weight, rows, k, n, &f, 0, threads);
}

/* y = x * weight + added, fp32. */
void tiles_wide(const uint16_t *x, const uint16_t *weight, const float *added, long rows, long k, long n, float *y, int threads) {
    Finish f = {.added = added, .wide = y};
    product(WIDE_SUM, x, weight, rows, k, n, &f, 0, threads);
}

/* The gradient of what went into gelu, from dy * weight, which is that of what came out; and the sum of its rows.
 * parts: threads * n numbers to work in. */
void tiles_gelu_backward(const uint16_t *dy, const uint16_t *weight, const uint16_t *gone, long rows, long k, long n,
                         uint16_t *dx, float *total, float *parts, int threads) {
    Finish f = {.gone = gone, .narrow = dx};
    memset(parts, 0, sizeof(float) * (size_t)(threads * n));
    product(GELU_BACKWARD, dy, weight, rows, k, n, &f, parts, threads);
    add_up(total, parts, n, threads);
}

/* c (32, 32), whose rows are ``row`` numbers apart, becomes or grows by sums, turned. */
static void turn_sums(const float *sums, float *c, long row, int more) {
    for (int i = 0; i < 4; i++) {
        const float *from = sums + i / 2 * 16 + i % 2 * 16 * SIDE;
        float *to = c + i / 2 * 16 * row + i % 2 * 16;
        uvec rows[16];
        for (int j = 0; j < 16; j++) memcpy(rows + j, from + j * SIDE, sizeof(uvec));
        turn_pairs(rows);
        for (int j = 0; j < 16; j++) {
            vec sum;
            memcpy(&sum, rows + j, sizeof sum);
            store(to + j * row, more ? sum + load(to + j * row) : sum);
        }
    }
}

/* c (m, n) = a^T (m, rows) * b (rows, n), or its transpose (n, m), in fp32: a (rows, m), b (rows, n). The columns of a are
 * turned two blocks at a time, in a core's cache; b is packed for all. */
static void gradient(const uint16_t *a, const uint16_t *b, long rows, long m, long n, uint16_t *packed, float *c,
                     int transposed, int threads) {
    const long steps = (rows + SIDE - 1) / SIDE, parts = (steps + DEEP - 1) / DEEP, down = m / SIDE, across = n / SIDE;
#pragma omp parallel num_threads(threads)
    {
        uint16_t turned[2 * DEEP * BLOCK] __attribute__((aligned(64)));
        begin_tiles();
        SHARE(down, first, last)
        for (long part = 0; part < parts; part++) {
            const long from = steps * part / parts, count = steps * (part + 1) / parts - from;
            SHARE(count, begin, stop)
            for (long step = begin; step < stop; step++)
                for (long right = 0; right < across; right++)
                    pack_rows(b, rows, n, (from + step) * SIDE, right * SIDE, packed + (right * count + step) * BLOCK);
#pragma omp barrier
            for (long top = first; top < last; top += 2) {
                const long two = top + 2 < last ? 2 : last - top;
                for (long step = 0; step < count; step++)
                    for (long i = 0; i < two; i++)
                        pack_columns(a, rows, m, (from + step) * SIDE, (top + i) * SIDE, turned + (i * count + step) * BLOCK);
                for (long right = 0; right < across; right++)
                    for (long i = 0; i < two; i++) {
                        const uint16_t *left = turned + i * count * BLOCK, *beside = packed + right * count * BLOCK;
                        float sums[BLOCK] __attribute__((aligned(64)));
                        const long wide = transposed ? m : n;
                        float *to = transposed ? c + right * SIDE * m + (top + i) * SIDE : c + (top + i) * SIDE * n + right * SIDE;
                        for (int half = 0; half < 2; half++) foresee(to + half * WIDE, 4 * wide, SIDE, 1);
                        if (!transposed) add_block(left, BLOCK / 2, 64, BLOCK, beside, count, to, n, part > 0);
                        else {
                            add_block(left, BLOCK / 2, 64, BLOCK, beside, count, sums, SIDE, 0);
                            turn_sums(sums, to, m, part > 0);
                        }
                    }
            }
#pragma omp barrier
        }
        _tile_release();
    }
}

/* dweight (out, in) fp32 = dy^T (out, rows) * x (rows, in). packed: room for as many rows as there are, up to a multiple
 * of 32 and to 1152, and the smaller of out and in. */
void tiles_gradient(const uint16_t *dy, const uint16_t *x, long rows, long out, long in, uint16_t *packed, float *dweight, int threads) {
    if (out >= in) gradient(dy, x, rows, out, in, packed, dweight, 0, threads);
    else gradient(x, dy, rows, in, out, packed, dweight, 1, threads);
}
#else
int tiles(void) { return 0; }
static void pack_panel(const float *weight, long in, long panel, long first, long all, uint16_t *forward, uint16_t *backward) {
    (void)weight, (void)in, (void)panel, (void)first, (void)all, (void)forward, (void)backward;
}
#endif
