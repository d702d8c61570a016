/* A whole encoder layer in one call, forward and backward: the kernels of an attention and of a feed-forward half, one
 * after the other, in bf16 with tiles; kernels.c includes this once. Between two kernels a core does nothing else, so that
 * what one has written lies in its cache for the next.
 */
/* A linear map (out, in) in tiles, both ways, with its bias; and where its gradients go. */
typedef struct {
    const uint16_t *forward, *backward;
    const float *bias;
    float *d_weight, *d_bias;
    long out, in;
} Linear;

/* Dropout, residual and normalisation: what the call leaves for the way back, and where gradients go. */
typedef struct {
    const float *gain, *shift;
    float epsilon, kept;
    uint64_t seed;
    int bound;
    float *total, *mean, *rstd; /* total: none if there is no way back */
    float *d_gain, *d_shift;
} Norm;

typedef struct {
    Attention attention;
    Linear joined, output, up, down;
    Norm first, second;
    long rows, width;
    const int64_t *places;
    const float *x;       /* (rows, width), and the same in bf16 */
    const uint16_t *read;
    uint16_t *heads, *mixed; /* of the attention: (rows, 3 * inner), (rows, inner) */
    float *most, *share;
    uint16_t *out;           /* (rows, width), to work in */
    float *middle;           /* what the attention half gives, and the same in bf16 */
    uint16_t *middle_read;
    uint16_t *before, *after; /* of gelu; before: none if there is no way back */
    float *result;
    uint16_t *result_read;
    /* the way back, to work in but for grad, which is read, and dx, which may be none */
    const float *grad;
    float *d_total, *d_middle, *dx;
    uint16_t *d_out, *d_mixed, *d_wide; /* d_wide: of gelu's input, then of the heads */
    float *parts;
    uint16_t *packed;
} Layer;

#if defined(__AMX_BF16__) && defined(__AVX512BF16__)
static void layer_norm(const Layer *l, const Norm *n, const float *x, float *result, uint16_t *narrow, int threads) {
    add_norm_bf16(l->out, x, n->gain, n->shift, n->epsilon, l->rows, l->width, n->seed, n->bound, n->kept, l->places,
                  n->total, result, narrow, n->mean, n->rstd, threads);
}

static void layer_product(const Layer *l, const Linear *w, const uint16_t *x, uint16_t *y, uint16_t *gelu, int threads) {
    tiles_product(x, w->forward, w->bias, l->rows, w->in, w->out, y, gelu, threads);
}

void layer_forward(const Layer *l, int threads) {
    layer_product(l, &l->joined, l->read, l->heads, 0, threads);
    attend_bf16(l->heads, &l->attention, l->mixed, l->most, l->share, threads);
    layer_product(l, &l->output, l->mixed, l->out, 0, threads);
    layer_norm(l, &l->first, l->x, l->middle, l->middle_read, threads);
    layer_product(l, &l->up, l->middle_read, l->before, l->after, threads);
    layer_product(l, &l->down, l->after, l->out, 0, threads);
    layer_norm(l, &l->second, l->middle, l->result, l->result_read, threads);
}

/* From the gradient of what a normalisation gave to those of its input, in d_total, and of a linear map's output. */
static void layer_norm_back(const Layer *l, const Norm *n, const Linear *w, const float *grad, int threads) {
    add_norm_backward_bf16(grad, n->total, n->mean, n->rstd, n->gain, l->rows, l->width, n->seed, n->bound, n->kept,
                           l->places, l->d_total, l->d_out, n->d_gain, n->d_shift, w->d_bias, l->parts, threads);
}

static void layer_gradient(const Layer *l, const Linear *w, const uint16_t *dy, const uint16_t *x, int threads) {
    tiles_gradient(dy, x, l->rows, w->out, w->in, l->packed, w->d_weight, threads);
}

void layer_backward(const Layer *l, int threads) {
    layer_norm_back(l, &l->second, &l->down, l->grad, threads);
    layer_gradient(l, &l->down, l->d_out, l->after, threads);
    tiles_gelu_backward(l->d_out, l->down.backward, l->before, l->rows, l->down.out, l->down.in, l->d_wide, l->up.d_bias,
                        l->parts, threads);
    layer_gradient(l, &l->up, l->d_wide, l->middle_read, threads);
    tiles_wide(l->d_wide, l->up.backward, l->d_total, l->rows, l->up.out, l->up.in, l->d_middle, threads);
    layer_norm_back(l, &l->first, &l->output, l->d_middle, threads);
    layer_gradient(l, &l->output, l->d_out, l->mixed, threads);
    tiles_product(l->d_out, l->output.backward, 0, l->rows, l->output.out, l->output.in, l->d_mixed, 0, threads);
    attend_backward_bf16(l->d_mixed, l->heads, &l->attention, l->most, l->share, l->d_wide, l->joined.d_bias, l->parts, threads);
    layer_gradient(l, &l->joined, l->d_wide, l->read, threads);
    if (l->dx) tiles_wide(l->d_wide, l->joined.backward, l->d_total, l->rows, l->joined.out, l->joined.in, l->dx, threads);
}
#endif
