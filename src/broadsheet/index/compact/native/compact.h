/* The arrays of a segment and one search over them; the same layouts stand in native.py. */
#ifndef BROADSHEET_COMPACT_H
#define BROADSHEET_COMPACT_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
  NEAREST = 8,      /* clusters in which the density of matches is measured; a walk begins there */
  LEVELS = 3,       /* few, some or many of their rows are allowed; look_near has the borders */
  EF_MOST = 1024,   /* allowed rows kept on a walk, at most */
  FRONTIER = 16384, /* rows of a walk that wait to be expanded, at most */
  CHUNK = 128,      /* positions looked at between two looks at the threshold */
  FEW = 32,         /* rows beyond k up to which all matches are scored exactly at once */
  LEVEL = 15,       /* the rotated query in whole numbers from -LEVEL to LEVEL */
  PLANES = 5,       /* their bits in two's complement */
  TAIL_BINS = 128   /* bins of the tail table */
};

struct view {
  int64_t rows, dim, wide, lists, rounds, degree;
  const int32_t *starts;
  const uint8_t *centres;
  const float *centre_scales, *centre_norms, *spreads, *sharpness, *signs;
  const uint64_t *codes;
  const float *offsets, *factors;
  const uint8_t *rows8;
  const float *row_scales, *exact, *tail;
  const int32_t *graph, *entries; /* NULL: none */
  float reach, row_step, row_norm, prior;
};

struct call {
  const struct view *view;
  const float *query;
  const uint64_t *bits; /* NULL: all rows */
  const int32_t *ids;   /* NULL: none */
  void *scratch;
  int32_t *positions; /* out: k + FEW places */
  float *scores;      /* out: likewise */
  int64_t k, id_count, matches, ids_limit, sparse;
  int64_t graph_from, ef; /* matches from which the graph is walked; results kept on the way */
  int64_t barred;         /* a row that no walk may enter; negative: none */
  float slack, stops[LEVELS];
  /* what came out */
  int64_t found, path, clusters, codes, reranked, exact, near_rows, near_matches;
};

/* Returns 0; 1 when the query holds a number that is not finite; 2 when the positions are not
   ascending or not within the rows. */
typedef int search_function(struct call *);
typedef int kernel_function(struct call *, int64_t);

/* Candidates kept at most between two chunks. */
static inline int64_t pool_limit(int64_t k) { return 4 * k + 4096; }

#endif
