/* The choice among instruction sets, at run time. */
#include "compact.h"

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

#ifdef WITH_AVX512
search_function search_avx512;
kernel_function kernel_avx512;
#endif
#ifdef WITH_AVX2
search_function search_avx2;
kernel_function kernel_avx2;
#endif
#ifdef WITH_NEON
search_function search_neon;
kernel_function kernel_neon;
#endif
search_function search_plain;
kernel_function kernel_plain;

static const struct family {
  const char *name;
  search_function *search;
  kernel_function *kernel;
} families[] = {
#ifdef WITH_AVX512
    {"avx512", search_avx512, kernel_avx512},
#endif
#ifdef WITH_AVX2
    {"avx2", search_avx2, kernel_avx2},
#endif
#ifdef WITH_NEON
    {"neon", search_neon, kernel_neon},
#endif
    {"plain", search_plain, kernel_plain},
};

/* Whether the processor, and its operating system, can run a family. */
static int runs(const char *name) {
#ifdef WITH_AVX512
  if (!strcmp(name, "avx512"))
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vpopcntdq") &&
           __builtin_cpu_supports("bmi2");
#endif
#ifdef WITH_AVX2
  if (!strcmp(name, "avx2"))
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
#endif
  return 1;
}

static const struct family *find(const char *name) {
  for (size_t i = 0; i < sizeof families / sizeof *families; i++)
    if (!strcmp(families[i].name, name)) return runs(name) ? families + i : NULL;
  return NULL;
}

/* Changes whenever a struct does, so that an old library is not taken for a new one. */
EXPORT int64_t compact_version(void) {
  return 1000 * (int64_t)sizeof(struct view) + (int64_t)sizeof(struct call);
}

/* The search for a family, or NULL when the library or the processor lacks it. */
EXPORT search_function *compact_choose(const char *name) {
  const struct family *family = find(name);
  return family ? family->search : NULL;
}

/* The kernels of a family one by one; likewise. */
EXPORT kernel_function *compact_kernel(const char *name) {
  const struct family *family = find(name);
  return family ? family->kernel : NULL;
}

/* Bytes of scratch memory that a search for k results needs. */
EXPORT int64_t compact_scratch(const struct view *view, int64_t k) {
  int64_t lists = (view->lists + 15) / 16 * 16, limit = pool_limit(k) + CHUNK;
  int64_t walk = view->graph ? view->rows / 8 + 8 * FRONTIER + 4 * EF_MOST + 1024 : 0;
  return walk + 24 * 64 + view->wide * 6 + 16 * CHUNK + 24 * lists + 4 * k + 8 * limit + 4096;
}
