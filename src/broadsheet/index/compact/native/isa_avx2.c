/* Kernels for AVX2; the rest is plain C compiled for a processor with AVX2, POPCNT and BMI. */
#include <immintrin.h>

#include "compact.h"
#define NAME(name) name##_avx2

#define HAVE_EIGHTS
static inline void eights(const uint8_t *rows, int64_t wide, const int32_t *ids, int64_t count,
                          const int8_t *query, int32_t *out) {
  for (int64_t i = 0; i < count; i++) {
    const uint8_t *row = rows + (ids ? ids[i] : i) * wide;
    if (ids && i + 8 < count)
      for (int64_t j = 0; j < wide; j += 64)
        _mm_prefetch((const char *)rows + ids[i + 8] * wide + j, _MM_HINT_T0);
    __m256i a = _mm256_setzero_si256(), b = a;
    for (int64_t j = 0; j < wide; j += 32) {
      __m256i low = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(row + j)));
      __m256i high = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(row + j + 16)));
      __m256i with_low = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(query + j)));
      __m256i with_high =
          _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(query + j + 16)));
      a = _mm256_add_epi32(a, _mm256_madd_epi16(low, with_low));
      b = _mm256_add_epi32(b, _mm256_madd_epi16(high, with_high));
    }
    a = _mm256_add_epi32(a, b);
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    out[i] = _mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1)));
  }
}

#define HAVE_EXACTS
static inline float exact_one(const float *row, const float *query, int64_t dim) {
  __m256 low = _mm256_setzero_ps(), high = low;
  int64_t j = 0;
  for (; j + 16 <= dim; j += 16) {
    low = _mm256_add_ps(low, _mm256_mul_ps(_mm256_loadu_ps(row + j), _mm256_loadu_ps(query + j)));
    high = _mm256_add_ps(
        high, _mm256_mul_ps(_mm256_loadu_ps(row + j + 8), _mm256_loadu_ps(query + j + 8)));
  }
  float lanes[16];
  _mm256_storeu_ps(lanes, low);
  _mm256_storeu_ps(lanes + 8, high);
  for (int lane = 0; j + lane < dim; lane++) lanes[lane] += row[j + lane] * query[j + lane];
  for (int width = 8; width; width /= 2)
    for (int lane = 0; lane < width; lane++) lanes[lane] += lanes[lane + width];
  return lanes[0];
}

static inline void exacts(const float *rows, int64_t dim, const int32_t *ids, int64_t count,
                          const float *query, float *out) {
  for (int64_t i = 0; i < count; i++) {
    if (i + 4 < count)
      for (int64_t j = 0; j < dim; j += 16)
        _mm_prefetch((const char *)(rows + ids[i + 4] * dim + j), _MM_HINT_T0);
    out[i] = exact_one(rows + ids[i] * dim, query, dim);
  }
}

#include "plain.h"
#include "search.h"
