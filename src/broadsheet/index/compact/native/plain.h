/* Kernels in plain C; one that a file of intrinsics defines first (HAVE_...) is left out. */

#ifndef HAVE_EIGHTS
/* Whole-number products of 8-bit rows (plus 128) with a query; `ids` NULL: rows 0 .. count - 1. */
static inline void eights(const uint8_t *rows, int64_t wide, const int32_t *ids, int64_t count,
                          const int8_t *query, int32_t *out) {
  for (int64_t i = 0; i < count; i++) {
    const uint8_t *row = rows + (ids ? ids[i] : i) * wide;
    int32_t sum = 0;
    for (int64_t j = 0; j < wide; j++) sum += (int32_t)row[j] * (int32_t)query[j];
    out[i] = sum;
  }
}
#endif

#ifndef HAVE_EXACTS
/* Inner products: sixteen partial sums, then a fixed tree. */
static inline float exact_one(const float *row, const float *query, int64_t dim) {
  float lanes[16] = {0};
  int64_t j = 0;
  for (; j + 16 <= dim; j += 16)
    for (int lane = 0; lane < 16; lane++) lanes[lane] += row[j + lane] * query[j + lane];
  for (int lane = 0; j + lane < dim; lane++) lanes[lane] += row[j + lane] * query[j + lane];
  for (int width = 8; width; width /= 2)
    for (int lane = 0; lane < width; lane++) lanes[lane] += lanes[lane + width];
  return lanes[0];
}

static inline void exacts(const float *rows, int64_t dim, const int32_t *ids, int64_t count,
                          const float *query, float *out) {
  for (int64_t i = 0; i < count; i++) out[i] = exact_one(rows + ids[i] * dim, query, dim);
}
#endif

#ifndef HAVE_SIGN_SUMS
/* Bits of eight rows that meet each number of the query, summed: out[row]. */
static inline void sign_sums(const uint64_t *block, int64_t words, const uint64_t *planes,
                             int32_t *out) {
  for (int row = 0; row < 8; row++) {
    int32_t sum = 0;
    for (int64_t w = 0; w < words; w++) {
      uint64_t code = block[8 * w + row];
      const uint64_t *plane = planes + PLANES * w;
      for (int bit = 0; bit < PLANES - 1; bit++)
        sum += __builtin_popcountll(code & plane[bit]) << bit;
      sum -= __builtin_popcountll(code & plane[PLANES - 1]) << (PLANES - 1);
    }
    out[row] = sum;
  }
}
#endif

#ifndef HAVE_SURVIVORS
/* What an estimate needs beside the codes. */
struct estimate {
  const struct view *view;
  const uint64_t *planes;
  const uint8_t *bits; /* NULL: all allowed */
  int64_t low, high;   /* positions of the cluster */
  int32_t total;       /* sum of the query's whole numbers */
  float near, step, slack;
};

/* Positions from `from` (a multiple of 8) to `to` whose optimistic estimate beats the threshold. */
static inline int64_t survivors(const struct estimate *e, int64_t from, int64_t to,
                                float threshold, int32_t *out) {
  int64_t words = e->view->wide / 64, count = 0;
  for (int64_t base = from; base < to; base += 8) {
    unsigned allowed = e->bits ? e->bits[base >> 3] : 255;
    if (base < e->low) allowed &= 255u << (e->low - base);
    if (base + 8 > e->high) allowed &= 255u >> (base + 8 - e->high);
    if (!allowed) continue;
    int32_t sums[8];
    sign_sums(e->view->codes + base * words, words, e->planes, sums);
    for (; allowed; allowed &= allowed - 1) {
      int64_t row = __builtin_ctz(allowed), at = base + row;
      float width = e->step * (float)(2 * sums[row] - e->total) + e->slack;
      float upper = (e->near + e->view->offsets[at]) + e->view->factors[at] * width;
      out[count] = (int32_t)at;
      count += upper > threshold;
    }
  }
  return count;
}
#endif

#ifndef HAVE_TAIL_SUMS
/* Rows expected above a threshold among those left and those seen: 16 partial sums each. */
static inline void tail_sums(const float *tail, const float *near, const float *inverse,
                             const float *left, const float *seen, int64_t lists, float threshold,
                             float *left_out, float *seen_out) {
  float lanes[2][16] = {{0}};
  for (int64_t c = 0; c < lists; c += 16)
    for (int lane = 0; lane < 16; lane++) {
      float bin = (threshold - near[c + lane]) * inverse[c + lane] + 32.0f;
      bin = bin > 0.0f ? bin : 0.0f;
      bin = bin < TAIL_BINS - 1 ? bin : TAIL_BINS - 1;
      float share = tail[(int32_t)bin];
      lanes[0][lane] += left[c + lane] * share;
      lanes[1][lane] += seen[c + lane] * share;
    }
  for (int width = 8; width; width /= 2)
    for (int lane = 0; lane < width; lane++) {
      lanes[0][lane] += lanes[0][lane + width];
      lanes[1][lane] += lanes[1][lane + width];
    }
  *left_out = lanes[0][0];
  *seen_out = lanes[1][0];
}
#endif

#ifndef HAVE_HADAMARD
/* Hadamard transform in place, without scaling; `length` is a power of two, at least 64. */
static inline void hadamard(float *x, int64_t length) {
  for (int64_t step = 1; step < length; step *= 2)
    for (int64_t start = 0; start < length; start += 2 * step)
      for (int64_t j = start; j < start + step; j++) {
        float low = x[j], high = x[j + step];
        x[j] = low + high;
        x[j + step] = low - high;
      }
}
#endif
