/* What a convolutional network does between its convolutions, for one type T of them; kernels.c includes this too.
 *
 * Maps lie channels last, so that a row is one place of one picture and width counts channels. */

/* Sixteen channels of a row as one line makes of them: (x - mean) * rstd * gain + shift, or x where there is no gain. */
static inline vec NAME(line)(const Map *of, const float *by, const float *plus, long at, long i, long count) {
    vec value = NAME(take)((const T *)of->x + at, count);
    return of->gain ? value * load(by + i) + load(plus + i) : value;
}

/* Mean and 1 / deviation of each channel (width,), and running statistics moved by ``factor`` towards what was found.
 * parts: threads * 2 * width numbers to work in. Sums are of distances to the first row, which makes them small. */
void NAME(moments)(const T *x, long rows, long width, float epsilon, float factor, float *mean, float *rstd,
                   float *running_mean, float *running_var, double *parts, int threads) {
    int team = 1;
    memset(parts, 0, sizeof(double) * (size_t)(threads * 2 * width));
#pragma omp parallel num_threads(threads)
    {
#pragma omp single
        team = omp_get_num_threads();
        SHARE(rows, first, last)
        double *own = parts + (long)omp_get_thread_num() * 2 * width;
        for (long row = first; row < last; row += SUMMED) {
            const long end = row + SUMMED < last ? row + SUMMED : last;
            for (long i = 0; i < width; i += WIDE) {
                const long count = width - i;
                vec from = NAME(take)(x + i, count), sum = {0}, square = {0};
                for (long one = row; one < end; one++) {
                    vec value = NAME(take)(x + one * width + i, count) - from;
                    sum += value;
                    square += value * value;
                }
                add_lanes(own + i, sum, count);
                add_lanes(own + width + i, square, count);
            }
        }
    }
    for (long i = 0; i < width; i++) {
        double sum = 0, square = 0;
        for (int thread = 0; thread < team; thread++) {
            sum += parts[thread * 2 * width + i];
            square += parts[thread * 2 * width + width + i];
        }
        sum /= (double)rows;
        double spread = square / (double)rows - sum * sum;
        if (spread < 0) spread = 0;
        mean[i] = (float)(GET(x[i]) + sum);
        rstd[i] = (float)(1 / sqrt(spread + (double)epsilon));
        running_mean[i] += factor * (mean[i] - running_mean[i]);
        running_var[i] += factor * ((float)(spread * (double)rows / (double)(rows - 1)) - running_var[i]);
    }
}

/* out = relu(one), or relu(one + two): (rows, width) T. */
void NAME(norm_relu)(const Map *one, const Map *two, long rows, long width, T *out, int threads) {
    float by[width + WIDE], plus[width + WIDE], by_two[width + WIDE], plus_two[width + WIDE];
    slopes(one, width, by, plus);
    if (two) slopes(two, width, by_two, plus_two);
#pragma omp parallel num_threads(threads)
    {
        SHARE(rows, first, last)
        for (long row = first; row < last; row++)
            for (long i = 0; i < width; i += WIDE) {
                const long at = row * width + i, count = width - i;
                vec total = NAME(line)(one, by, plus, at, i, count);
                if (two) total += NAME(line)(two, by_two, plus_two, at, i, count);
                NAME(give)(out + at, relu_of(total), count);
            }
    }
}

/* Sixteen gradients of relu's argument; without ``out`` there was no relu. */
static inline vec NAME(behind)(const T *grad, const T *out, long at, long count) {
    vec value = NAME(take)(grad + at, count);
    return out ? choose(NAME(take)(out + at, count) <= all(0.0f), all(0.0f), value) : value;
}

/* Backward of norm_relu. d_one, d_two (rows, width) T, which may be ``grad``'s own memory. sums: of the gradient
 * (width,), and of its products with one's and with two's normalised values: d_shift, and d_gain of both.
 * parts: threads * 3 * width numbers to work in. */
void NAME(norm_relu_backward)(const T *grad, const T *out, const Map *one, const Map *two, long rows, long width,
                              T *d_one, T *d_two, float *sums, double *parts, int threads) {
    int team = 1;
    const int kinds = two && two->gain ? 3 : 2;
    memset(parts, 0, sizeof(double) * (size_t)(threads * 3 * width));
#pragma omp parallel num_threads(threads)
    {
#pragma omp single
        team = omp_get_num_threads();
        SHARE(rows, first, last)
        double *own = parts + (long)omp_get_thread_num() * 3 * width;
        for (long row = first; row < last; row += SUMMED) {
            const long end = row + SUMMED < last ? row + SUMMED : last;
            for (long i = 0; i < width; i += WIDE) {
                const long count = width - i;
                vec middle = some(one->mean + i, count), plain = {0}, along = {0}, along_two = {0};
                vec middle_two = kinds == 3 ? some(two->mean + i, count) : middle;
                for (long here = row; here < end; here++) {
                    const long at = here * width + i;
                    vec value = NAME(behind)(grad, out, at, count);
                    plain += value;
                    along += value * (NAME(take)((const T *)one->x + at, count) - middle);
                    if (kinds == 3) along_two += value * (NAME(take)((const T *)two->x + at, count) - middle_two);
                }
                add_lanes(own + i, plain, count);
                add_lanes(own + width + i, along, count);
                add_lanes(own + 2 * width + i, along_two, count);
            }
        }
    }
    float by[width + WIDE], less[width + WIDE], slope[width + WIDE];
    float by_two[width + WIDE], less_two[width + WIDE], slope_two[width + WIDE];
    for (int kind = 0; kind < kinds; kind++)
        for (long i = 0; i < width; i++) {
            double found = 0;
            for (int thread = 0; thread < team; thread++) found += parts[(thread * 3 + kind) * width + i];
            sums[kind * width + i] = (float)found * (kind == 0 ? 1 : kind == 1 ? one->rstd[i] : two->rstd[i]);
        }
    corrections(one, sums, sums + width, rows, width, by, less, slope);
    if (kinds == 3) corrections(two, sums, sums + 2 * width, rows, width, by_two, less_two, slope_two);
#pragma omp parallel num_threads(threads)
    {
        SHARE(rows, first, last)
        for (long row = first; row < last; row++)
            for (long i = 0; i < width; i += WIDE) {
                const long at = row * width + i, count = width - i;
                vec value = NAME(behind)(grad, out, at, count);
                vec apart = NAME(take)((const T *)one->x + at, count) - some(one->mean + i, count);
                vec found = value * load(by + i) - load(less + i) - apart * load(slope + i);
                if (kinds == 3) {
                    apart = NAME(take)((const T *)two->x + at, count) - some(two->mean + i, count);
                    value = value * load(by_two + i) - load(less_two + i) - apart * load(slope_two + i);
                }
                NAME(give)(d_one + at, found, count);
                if (two) NAME(give)(d_two + at, value, count);
            }
    }
}

/* out = the largest of relu(one) in each window, (batch, high, wide, channels) T; place: where in its window it stood, or
 * NOWHERE if relu made it zero. */
void NAME(norm_relu_pool)(const Map *one, const Windows *of, T *out, uint8_t *place, int threads) {
    const long channels = of->channels;
    float by[channels + WIDE], plus[channels + WIDE];
    slopes(one, channels, by, plus);
#pragma omp parallel num_threads(threads)
    {
        SHARE(of->batch * of->high, first, last)
        for (long row = first; row < last; row++) {
            const long top = row % of->high * of->stride - of->pad, upper = top < 0 ? 0 : top;
            const long lower = top + of->size < of->height ? top + of->size : of->height;
            const long picture = row / of->high * of->height;
            for (long column = 0; column < of->wide; column++) {
                const long left = column * of->stride - of->pad, nearer = left < 0 ? 0 : left;
                const long farther = left + of->size < of->width ? left + of->size : of->width;
                for (long i = 0; i < channels; i += WIDE) {
                    const long count = channels - i;
                    vec best = all(-INFINITY);
                    ivec where = (ivec){0} + NOWHERE;
                    for (long y = upper; y < lower; y++)
                        for (long x = nearer; x < farther; x++) {
                            const long at = ((picture + y) * of->width + x) * channels + i;
                            const vec value = NAME(line)(one, by, plus, at, i, count);
                            const ivec larger = ~(ivec)(value <= best);
                            best = choose(larger, value, best);
                            where = (larger & (int)((y - top) * of->size + x - left)) | (~larger & where);
                        }
                    const long at = (row * of->wide + column) * channels + i;
                    NAME(give)(out + at, relu_of(best), count);
                    give_places(place + at, where | ((ivec)(best <= all(0.0f)) & NOWHERE), count);
                }
            }
        }
    }
}

/* Backward of the windows and of relu: each gradient to where its value stood; whole (batch, height, width, channels) T. */
void NAME(unpool)(const T *grad, const uint8_t *place, const Windows *of, T *whole, int threads) {
    const long channels = of->channels, across = of->width * channels;
#pragma omp parallel num_threads(threads)
    {
        SHARE(of->batch * of->height, first, last)
        float line[across + WIDE];
        for (long row = first; row < last; row++) {
            const long y = row % of->height + of->pad, upper = y < of->size ? 0 : (y - of->size) / of->stride + 1;
            const long lower = y / of->stride < of->high ? y / of->stride + 1 : of->high;
            memset(line, 0, sizeof line);
            for (long up = upper; up < lower; up++)
                for (long along = 0; along < of->wide; along++) {
                    const long left = along * of->stride - of->pad, nearer = left < 0 ? -left : 0;
                    const long farther = left + of->size < of->width ? of->size : of->width - left;
                    const long from = ((row / of->height * of->high + up) * of->wide + along) * channels;
                    const int before = (int)((y - up * of->stride) * of->size);
                    for (long i = 0; i < channels; i += WIDE) {
                        const vec value = NAME(take)(grad + from + i, channels - i);
                        const ivec where = places(place + from + i, channels - i);
                        for (long x = nearer; x < farther; x++) {
                            float *at = line + (left + x) * channels + i;
                            store(at, load(at) + choose((ivec)(where == before + (int)x), value, all(0.0f)));
                        }
                    }
                }
            for (long i = 0; i < across; i += WIDE) NAME(give)(whole + row * across + i, load(line + i), across - i);
        }
    }
}
