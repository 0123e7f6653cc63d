/* Kernels for 64-bit Arm; the rest is plain C, which the compiler vectorises. */
#include <arm_neon.h>

#include "compact.h"
#define NAME(name) name##_neon

#define HAVE_EIGHTS
static inline void eights(const uint8_t *rows, int64_t wide, const int32_t *ids, int64_t count,
                          const int8_t *query, int32_t *out) {
  for (int64_t i = 0; i < count; i++) {
    const uint8_t *row = rows + (ids ? ids[i] : i) * wide;
    if (ids && i + 8 < count)
      for (int64_t j = 0; j < wide; j += 64) __builtin_prefetch(rows + ids[i + 8] * wide + j);
    int32x4_t a = vdupq_n_s32(0), b = a;
    for (int64_t j = 0; j < wide; j += 16) {
      uint8x16_t bytes = vld1q_u8(row + j);
      int8x16_t with = vld1q_s8(query + j);
      int16x8_t low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(bytes)));
      int16x8_t high = vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(bytes)));
      int16x8_t with_low = vmovl_s8(vget_low_s8(with)), with_high = vmovl_s8(vget_high_s8(with));
      a = vmlal_s16(a, vget_low_s16(low), vget_low_s16(with_low));
      b = vmlal_s16(b, vget_high_s16(low), vget_high_s16(with_low));
      a = vmlal_s16(a, vget_low_s16(high), vget_low_s16(with_high));
      b = vmlal_s16(b, vget_high_s16(high), vget_high_s16(with_high));
    }
    out[i] = vaddvq_s32(vaddq_s32(a, b));
  }
}

#include "plain.h"
#include "search.h"
