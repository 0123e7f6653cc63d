/* Kernels for AVX-512 with VNNI and VPOPCNTDQ. */
#include <immintrin.h>

#include "compact.h"
#define NAME(name) name##_avx512

static inline __m128i sum_four(__m512i a, __m512i b, __m512i c, __m512i d) {
  __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  __m512i all = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  __m256i half =
      _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

#define HAVE_EIGHTS
static inline void eights(const uint8_t *rows, int64_t wide, const int32_t *ids, int64_t count,
                          const int8_t *query, int32_t *out) {
  for (int64_t i = 0; i < count; i += 4) {
    const uint8_t *row[4];
    for (int r = 0; r < 4; r++) {
      int64_t at = i + r < count ? i + r : count - 1;
      row[r] = rows + (ids ? ids[at] : at) * wide;
    }
    if (ids)
      for (int r = 0; r < 4; r++) {
        int64_t ahead = i + r + 8;
        if (ahead >= count) break;
        const char *next = (const char *)rows + ids[ahead] * wide;
        for (int64_t j = 0; j < wide; j += 64) _mm_prefetch(next + j, _MM_HINT_T0);
      }
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
    for (int64_t j = 0; j < wide; j += 64) {
      __m512i q = _mm512_loadu_si512(query + j);
      a = _mm512_dpbusd_epi32(a, _mm512_loadu_si512(row[0] + j), q);
      b = _mm512_dpbusd_epi32(b, _mm512_loadu_si512(row[1] + j), q);
      c = _mm512_dpbusd_epi32(c, _mm512_loadu_si512(row[2] + j), q);
      d = _mm512_dpbusd_epi32(d, _mm512_loadu_si512(row[3] + j), q);
    }
    __m128i sums = sum_four(a, b, c, d);
    int64_t left = count - i;
    _mm_mask_storeu_epi32(out + i, (__mmask8)(left >= 4 ? 15 : (1 << left) - 1), sums);
  }
}

static inline float tree(__m512 lanes) {
  __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(lanes), _mm512_extractf32x8_ps(lanes, 1));
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

#define HAVE_EXACTS
static inline void exacts(const float *rows, int64_t dim, const int32_t *ids, int64_t count,
                          const float *query, float *out) {
  for (int64_t i = 0; i < count; i += 4) {
    const float *row[4];
    for (int r = 0; r < 4; r++) row[r] = rows + ids[i + r < count ? i + r : count - 1] * dim;
    for (int r = 4; r < 8 && i + r < count; r++) {
      const char *next = (const char *)(rows + ids[i + r] * dim);
      for (int64_t j = 0; j < 4 * dim; j += 64) _mm_prefetch(next + j, _MM_HINT_T0);
    }
    __m512 lanes[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                       _mm512_setzero_ps()};
    for (int64_t j = 0; j < dim; j += 16) {
      __mmask16 part = dim - j >= 16 ? 0xffff : (__mmask16)((1u << (dim - j)) - 1);
      __m512 q = _mm512_maskz_loadu_ps(part, query + j);
      for (int r = 0; r < 4; r++)
        lanes[r] = _mm512_add_ps(lanes[r],
                                 _mm512_mul_ps(_mm512_maskz_loadu_ps(part, row[r] + j), q));
    }
    for (int r = 0; r < 4 && i + r < count; r++) out[i + r] = tree(lanes[r]);
  }
}

#define HAVE_SIGN_SUMS
#define HAVE_SURVIVORS
struct estimate {
  const struct view *view;
  const uint64_t *planes;
  const uint8_t *bits;
  int64_t low, high;
  int32_t total;
  float near, step, slack;
};

static inline __m512i sign_sums(const uint64_t *block, int64_t words, const uint64_t *planes) {
  __m512i sums[PLANES];
  for (int bit = 0; bit < PLANES; bit++) sums[bit] = _mm512_setzero_si512();
  for (int64_t w = 0; w < words; w++) {
    __m512i code = _mm512_loadu_si512(block + 8 * w);
    for (int bit = 0; bit < PLANES; bit++) {
      __m512i plane = _mm512_set1_epi64((int64_t)planes[PLANES * w + bit]);
      sums[bit] = _mm512_add_epi64(sums[bit], _mm512_popcnt_epi64(_mm512_and_si512(code, plane)));
    }
  }
  __m512i sum = _mm512_sub_epi64(_mm512_setzero_si512(), sums[PLANES - 1]);
  for (int bit = PLANES - 2; bit >= 0; bit--)
    sum = _mm512_add_epi64(_mm512_add_epi64(sum, sum), sums[bit]);
  return sum;
}

static inline int64_t survivors(const struct estimate *e, int64_t from, int64_t to,
                                float threshold, int32_t *out) {
  const struct view *view = e->view;
  int64_t words = view->wide / 64, count = 0;
  __m512 near = _mm512_set1_ps(e->near), step = _mm512_set1_ps(e->step);
  __m512 slack = _mm512_set1_ps(e->slack), bar = _mm512_set1_ps(threshold);
  __m512i total = _mm512_set1_epi32(e->total);
  __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  for (int64_t base = from; base < to; base += 16) {
    int both = base + 8 < to;
    unsigned allowed = e->bits ? e->bits[base >> 3] : 255;
    if (both) allowed |= (e->bits ? e->bits[(base >> 3) + 1] : 255u) << 8;
    if (base < e->low) allowed &= 0xffffu << (e->low - base);
    if (base + 16 > e->high) allowed &= 0xffffu >> (base + 16 - e->high);
    if (!(allowed & 0xffff)) continue;
    __mmask16 mask = (__mmask16)allowed;
    const uint64_t *block = view->codes + base * words;
    for (int64_t j = 0; j < 16 * words; j += 8)
      _mm_prefetch((const char *)(block + 3 * 16 * words + j), _MM_HINT_T0);
    __m256i low = _mm512_cvtepi64_epi32(sign_sums(block, words, e->planes)), high = low;
    if (both) high = _mm512_cvtepi64_epi32(sign_sums(block + 8 * words, words, e->planes));
    __m512i sums = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
    sums = _mm512_sub_epi32(_mm512_add_epi32(sums, sums), total);
    __m512 width = _mm512_add_ps(_mm512_mul_ps(step, _mm512_cvtepi32_ps(sums)), slack);
    __m512 offsets = _mm512_maskz_loadu_ps(mask, view->offsets + base);
    __m512 factors = _mm512_maskz_loadu_ps(mask, view->factors + base);
    __m512 upper =
        _mm512_add_ps(_mm512_add_ps(near, offsets), _mm512_mul_ps(factors, width));
    __mmask16 kept = _mm512_mask_cmp_ps_mask(mask, upper, bar, _CMP_GT_OQ);
    __m512i positions = _mm512_add_epi32(lane, _mm512_set1_epi32((int32_t)base));
    _mm512_storeu_si512(out + count, _mm512_maskz_compress_epi32(kept, positions));
    count += __builtin_popcount(kept);
  }
  return count;
}

#define HAVE_TAIL_SUMS
static inline void tail_sums(const float *tail, const float *near, const float *inverse,
                             const float *left, const float *seen, int64_t lists, float threshold,
                             float *left_out, float *seen_out) {
  __m512 above = _mm512_setzero_ps(), found = above, bar = _mm512_set1_ps(threshold);
  __m512 shift = _mm512_set1_ps(32.0f), most = _mm512_set1_ps(TAIL_BINS - 1);
  for (int64_t c = 0; c < lists; c += 16) {
    __m512 gap = _mm512_sub_ps(bar, _mm512_loadu_ps(near + c));
    __m512 bin = _mm512_add_ps(_mm512_mul_ps(gap, _mm512_loadu_ps(inverse + c)), shift);
    bin = _mm512_min_ps(_mm512_max_ps(bin, _mm512_setzero_ps()), most);
    __m512 share = _mm512_i32gather_ps(_mm512_cvttps_epi32(bin), tail, 4);
    above = _mm512_add_ps(above, _mm512_mul_ps(_mm512_loadu_ps(left + c), share));
    found = _mm512_add_ps(found, _mm512_mul_ps(_mm512_loadu_ps(seen + c), share));
  }
  *left_out = tree(above);
  *seen_out = tree(found);
}

#define HAVE_HADAMARD
/* Within sixteen numbers: each lane meets its partner `step` away. */
static inline __m512 meet(__m512 x, __m512 partner, __mmask16 high) {
  return _mm512_add_ps(partner, _mm512_mask_sub_ps(x, high, _mm512_set1_ps(-0.0f), x));
}

static inline void hadamard(float *x, int64_t length) {
  for (int64_t j = 0; j < length; j += 16) {
    __m512 v = _mm512_loadu_ps(x + j);
    v = meet(v, _mm512_permute_ps(v, 0xb1), 0xaaaa);
    v = meet(v, _mm512_permute_ps(v, 0x4e), 0xcccc);
    v = meet(v, _mm512_shuffle_f32x4(v, v, 0xb1), 0xf0f0);
    v = meet(v, _mm512_shuffle_f32x4(v, v, 0x4e), 0xff00);
    _mm512_storeu_ps(x + j, v);
  }
  for (int64_t step = 16; step < length; step *= 2)
    for (int64_t start = 0; start < length; start += 2 * step)
      for (int64_t j = start; j < start + step; j += 16) {
        __m512 low = _mm512_loadu_ps(x + j), high = _mm512_loadu_ps(x + j + step);
        _mm512_storeu_ps(x + j, _mm512_add_ps(low, high));
        _mm512_storeu_ps(x + j + step, _mm512_sub_ps(low, high));
      }
}

#include "plain.h"
#include "search.h"
