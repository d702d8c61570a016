/* The kernels for one type T of matrix products; kernels.c includes this once for each. */

/* total = x + dropout(out); result = norm(total), unless there is no gain, which means no normalisation.
 *
 * out (rows, width) T; x, total, result fp32; gain, shift (width,); mean, rstd (rows,). places (rows,), or none: by which
 * number of a row its mask is drawn. total may be none; narrow, which may too, is result as T. */
void NAME(add_norm)(const T *out, const float *x, const float *gain, const float *shift, float epsilon, long rows,
                    long width, uint64_t seed, int bound, float kept, const int64_t *places, float *total, float *result,
                    T *narrow, float *mean, float *rstd, int threads) {
#pragma omp parallel num_threads(threads)
    {
        SHARE(rows, first, last)
        uint64_t words[(width + 3) / 4];
        float keep[width], own[width];
        for (long row = first; row < last; row++) {
            const T *restrict from = out + row * width;
            const float *restrict beside = x + row * width;
            float *restrict to = total ? total + row * width : own;
            float sum = 0;
            if (bound) {
                keep_row(keep, words, width, seed, (uint64_t)(places ? places[row] : row), bound, kept);
#pragma omp simd reduction(+ : sum)
                for (long i = 0; i < width; i++) {
                    to[i] = beside[i] + GET(from[i]) * keep[i];
                    sum += to[i];
                }
            } else {
#pragma omp simd reduction(+ : sum)
                for (long i = 0; i < width; i++) {
                    to[i] = beside[i] + GET(from[i]);
                    sum += to[i];
                }
            }
            if (!gain) continue;
            float middle = sum / (float)width, spread = 0;
#pragma omp simd reduction(+ : spread)
            for (long i = 0; i < width; i++) spread += (to[i] - middle) * (to[i] - middle);
            float by = 1.0f / sqrtf(spread / (float)width + epsilon);
            float *restrict normal = result + row * width;
            for (long i = 0; i < width; i++) normal[i] = (to[i] - middle) * by * gain[i] + shift[i];
            if (narrow)
                for (long i = 0; i < width; i++) narrow[row * width + i] = PUT(normal[i]);
            mean[row] = middle;
            rstd[row] = by;
        }
    }
}

/* Backward of add_norm. d_total (rows, width) fp32; d_out (rows, width) T; d_gain, d_shift and d_bias (width,), where
 * d_bias is the sum of d_out's rows. parts: threads * 3 * width numbers to work in. Without a gain grad is d_total. */
void NAME(add_norm_backward)(const float *grad, const float *total, const float *mean, const float *rstd,
                             const float *gain, long rows, long width, uint64_t seed, int bound, float kept,
                             const int64_t *places, float *d_total, T *d_out, float *d_gain, float *d_shift, float *d_bias, float *parts,
                             int threads) {
    int team = 1;
    memset(parts, 0, sizeof(float) * (size_t)(threads * 3 * width));
#pragma omp parallel num_threads(threads)
    {
#pragma omp single
        team = omp_get_num_threads();
        SHARE(rows, first, last)
        float *restrict own_gain = parts + (long)omp_get_thread_num() * width;
        float *restrict own_shift = own_gain + (long)threads * width;
        float *restrict own_bias = own_shift + (long)threads * width;
        uint64_t words[(width + 3) / 4];
        float keep[width], moved[width];
        for (long row = first; row < last; row++) {
            const float *restrict from = grad + row * width;
            const float *through = from;
            if (gain) {
                const float *restrict before = total + row * width;
                float *restrict to = d_total + row * width;
                float middle = mean[row], by = rstd[row], plain = 0, along = 0;
#pragma omp simd reduction(+ : plain, along)
                for (long i = 0; i < width; i++) {
                    float normal = (before[i] - middle) * by, scaled = from[i] * gain[i];
                    own_gain[i] += from[i] * normal;
                    own_shift[i] += from[i];
                    plain += scaled;
                    along += scaled * normal;
                }
                plain /= (float)width;
                along /= (float)width;
                for (long i = 0; i < width; i++) {
                    float normal = (before[i] - middle) * by;
                    to[i] = by * (from[i] * gain[i] - plain - normal * along);
                }
                through = to;
            }
            if (bound) {
                keep_row(keep, words, width, seed, (uint64_t)(places ? places[row] : row), bound, kept);
                for (long i = 0; i < width; i++) moved[i] = through[i] * keep[i];
                through = moved;
            }
            T *restrict into = d_out + row * width;
            for (long i = 0; i < width; i++) {
                own_bias[i] += through[i];
                into[i] = PUT(through[i]);
            }
        }
    }
    if (gain) {
        add_up(d_gain, parts, width, team);
        add_up(d_shift, parts + (long)threads * width, width, team);
    }
    add_up(d_bias, parts + 2 * (long)threads * width, width, team);
}

/* Sixteen of T as fp32, and back; the last of a row may be fewer. */
static inline vec NAME(take)(const T *from, long count) {
    if (count >= WIDE) return NAME(widen)(from);
    T rest[WIDE] = {0};
    memcpy(rest, from, sizeof(T) * (size_t)count);
    return NAME(widen)(rest);
}

static inline void NAME(give)(T *to, vec value, long count) {
    if (count >= WIDE) {
        NAME(narrow)(to, value);
        return;
    }
    T rest[WIDE];
    NAME(narrow)(rest, value);
    memcpy(to, rest, sizeof(T) * (size_t)count);
}

/* Backward of x * P(X <= x) (Hendrycks & Gimpel, 2016, arXiv:1606.08415): dx (rows, width) T, and the sum of its rows. parts: threads * width numbers to work in, where a row is
 * rounded up to whole vectors. */
void NAME(gelu_backward)(const T *grad, const T *x, long rows, long width, T *dx, float *d_bias, float *parts,
                         int threads) {
    int team = 1;
    long wide = (width + WIDE - 1) / WIDE * WIDE;
    memset(parts, 0, sizeof(float) * (size_t)(threads * wide));
#pragma omp parallel num_threads(threads)
    {
#pragma omp single
        team = omp_get_num_threads();
        SHARE(rows, first, last)
        float *own = parts + (long)omp_get_thread_num() * wide;
        for (long row = first; row < last; row++)
            for (long i = 0; i < width; i += WIDE) {
                long at = row * width + i, count = width - i;
                vec value = NAME(take)(x + at, count), below, density;
                normal_of(value, &below, &density);
                vec found = NAME(take)(grad + at, count) * (below + value * density);
                store(own + i, load(own + i) + found);
                NAME(give)(dx + at, found, count);
            }
    }
    for (long i = 0; i < width; i++) {
        float found = 0;
        for (int thread = 0; thread < team; thread++) found += parts[thread * wide + i];
        d_bias[i] = found;
    }
}

/* Queries (0), keys (1) or values (2) of one head of one example as fp32, (time, width). */
static inline void NAME(read_head)(const T *from, long time, long step, long width, float *to) {
    for (long row = 0; row < time; row++)
        for (long i = 0; i < width; i += WIDE) store(to + row * width + i, NAME(widen)(from + row * step + i));
}

/* softmax(q k^T * scale + bias), dropout, weighted sum (Vaswani et al., 2017, arXiv:1706.03762, 3.2.1), of one head.
 * width is a constant where it is a usual one. */
static inline __attribute__((always_inline)) void NAME(attend_head)(
    const T *joined, const Attention *of, Pair pair, const long width, T *mixed, float *most, float *share) {
    const long time = pair.time, padded = (time + WIDE - 1) / WIDE * WIDE, step = 3 * of->heads * width;
    const long known = pair.first * of->heads + pair.head * time;
    float query[MOST_TIME * MOST_HEAD], other[MOST_TIME * MOST_HEAD], flipped[MOST_HEAD * MOST_TIME];
    float weights[MOST_TIME * MOST_TIME];
    uint64_t words[WORDS];
    joined += pair.first * step + pair.head * width;
    NAME(read_head)(joined, time, step, width, query);
    NAME(read_head)(joined + of->heads * width, time, step, width, other);
    flip(other, time, width, flipped, padded);
    multiply(time, padded, width, query, width, 1, flipped, padded, weights, padded);
    softmax(weights, of, pair, padded, most + known, share + known, 0);
    if (of->bound) {
        const long count = draw_head(words, of, pair);
        for (long row = 0; row < time; row++)
            for (long i = 0; i < padded; i += WIDE) {
                float *at = weights + row * padded + i;
                store(at, load(at) * keep_of((const half *)(words + row * count) + i, of->bound, of->kept));
            }
    }
    NAME(read_head)(joined + 2 * of->heads * width, time, step, width, other);
    multiply(time, width, time, weights, padded, 1, other, width, query, width);
    mixed += (pair.first * of->heads + pair.head) * width;
    for (long row = 0; row < time; row++)
        for (long i = 0; i < width; i += WIDE)
            NAME(narrow)(mixed + row * of->heads * width + i, load(query + row * width + i));
}

/* joined (rows, 3 * heads * width) T to mixed (rows, heads * width) T. most, share: (rows * heads,), the largest score of each row and one by the sum of its powers, from which weights are computed again. */
void NAME(attend)(const T *joined, const Attention *of, T *mixed, float *most, float *share, int threads) {
    const long pairs = of->batch * of->heads;
#pragma omp parallel num_threads(threads)
    {
        SHARE(pairs, first, last)
        for (long number = first; number < last; number++) {
            const Pair pair = find_pair(of, number);
            if (of->width == 32) NAME(attend_head)(joined, of, pair, 32, mixed, most, share);
            else if (of->width == 64) NAME(attend_head)(joined, of, pair, 64, mixed, most, share);
            else NAME(attend_head)(joined, of, pair, of->width, mixed, most, share);
        }
    }
}

/* Rows of a head's gradient to where they lie, and added to the sums. */
static inline void NAME(write_head)(const float *from, long time, long step, long width, T *to, float *sums) {
    for (long i = 0; i < width; i += WIDE) {
        vec sum = load(sums + i);
        for (long row = 0; row < time; row++) {
            vec value = load(from + row * width + i);
            sum += value;
            NAME(narrow)(to + row * step + i, value);
        }
        store(sums + i, sum);
    }
}

static inline __attribute__((always_inline)) void NAME(attend_head_backward)(
    const T *grad, const T *joined, const Attention *of, Pair pair, const long width, float *most, float *share,
    T *d_joined, float *sums) {
    const long time = pair.time, padded = (time + WIDE - 1) / WIDE * WIDE, step = 3 * of->heads * width;
    const long known = pair.first * of->heads + pair.head * time, next = of->heads * width;
    float query[MOST_TIME * MOST_HEAD], key[MOST_TIME * MOST_HEAD], value[MOST_TIME * MOST_HEAD];
    float above[MOST_TIME * MOST_HEAD], flipped[MOST_HEAD * MOST_TIME];
    float weights[MOST_TIME * MOST_TIME], d_weights[MOST_TIME * MOST_TIME];
    uint64_t words[WORDS];
    joined += pair.first * step + pair.head * width;
    d_joined += pair.first * step + pair.head * width;
    sums += pair.head * width;
    NAME(read_head)(joined, time, step, width, query);
    NAME(read_head)(joined + next, time, step, width, key);
    NAME(read_head)(joined + 2 * next, time, step, width, value);
    NAME(read_head)(grad + pair.first * next + pair.head * width, time, next, width, above);
    flip(key, time, width, flipped, padded);
    multiply(time, padded, width, query, width, 1, flipped, padded, weights, padded);
    softmax(weights, of, pair, padded, most + known, share + known, 1);
    flip(value, time, width, flipped, padded);
    multiply(time, padded, width, above, width, 1, flipped, padded, d_weights, padded);
    const long count = of->bound ? draw_head(words, of, pair) : 0;
    for (long row = 0; row < time; row++) {
        float *line = weights + row * padded, *d_line = d_weights + row * padded;
        const half *bits = (const half *)(words + row * count);
        vec along = {0};
        if (of->bound)
            for (long i = 0; i < padded; i += WIDE)
                store(d_line + i, load(d_line + i) * keep_of(bits + i, of->bound, of->kept));
        for (long i = 0; i < padded; i += WIDE) along += load(line + i) * load(d_line + i);
        const float sum = sum_of(along);
        for (long i = 0; i < padded; i += WIDE) {
            vec weight = load(line + i);
            store(d_line + i, weight * (load(d_line + i) - sum) * of->scale);
            if (of->bound) store(line + i, weight * keep_of(bits + i, of->bound, of->kept));
        }
    }
    multiply(time, width, time, weights, 1, padded, above, width, value, width); /* its values are read already */
    NAME(write_head)(value, time, step, width, d_joined + 2 * next, sums + 2 * next);
    multiply(time, width, time, d_weights, padded, 1, key, width, value, width);
    NAME(write_head)(value, time, step, width, d_joined, sums);
    multiply(time, width, time, d_weights, 1, padded, query, width, value, width);
    NAME(write_head)(value, time, step, width, d_joined + next, sums + next);
}

/* Backward: grad (rows, heads * width) T to d_joined, laid out as joined, and the sum of its rows.
 * parts: threads * 3 * heads * width numbers to work in. */
void NAME(attend_backward)(const T *grad, const T *joined, const Attention *of, float *most, float *share, T *d_joined,
                           float *d_bias, float *parts, int threads) {
    const long pairs = of->batch * of->heads, across = 3 * of->heads * of->width;
    int team = 1;
    memset(parts, 0, sizeof(float) * (size_t)(threads * across));
#pragma omp parallel num_threads(threads)
    {
#pragma omp single
        team = omp_get_num_threads();
        SHARE(pairs, first, last)
        float *own = parts + (long)omp_get_thread_num() * across;
        for (long number = first; number < last; number++) {
            const Pair pair = find_pair(of, number);
            if (of->width == 32)
                NAME(attend_head_backward)(grad, joined, of, pair, 32, most, share, d_joined, own);
            else if (of->width == 64)
                NAME(attend_head_backward)(grad, joined, of, pair, 64, most, share, d_joined, own);
            else
                NAME(attend_head_backward)(grad, joined, of, pair, of->width, most, share, d_joined, own);
        }
    }
    add_up(d_bias, parts, across, team);
}
