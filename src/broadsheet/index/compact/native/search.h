/* One search. Included once for each instruction set, after its kernels; see reference.py, which
   does the same steps in numpy and gives the same bits. */

/* Rows scored in 8 bits so far: the best k scores as a heap, and all that may end among them. */
struct pool {
  int64_t k, held, limit, count;
  float *best; /* min-heap */
  float margin, threshold;
  float *scores;
  int32_t *positions;
};

struct prepared {
  float *spread;
  int8_t *eight;
  uint64_t *planes;
  float step, whole_step, norm2, norm;
  int32_t shift, total;
};

struct work {
  struct prepared query;
  struct pool pool;
  int32_t *chunk, *sums, *heap;
  int64_t pending;
  float *near, *bound, *inverse, *left, *seen;
  int32_t nearest[NEAREST]; /* clusters with the best centres, best first */
  int64_t nearest_count;
  int level; /* how many of their rows are allowed */
  uint8_t *visited; /* NULL: no graph */
  int32_t *waiting;
  float *waiting_scores, *kept;
};

static void *carve(char **place, int64_t bytes) {
  void *here = *place;
  *place += (bytes + 63) / 64 * 64;
  return here;
}

static void lay_out(struct work *work, struct call *call) {
  const struct view *view = call->view;
  int64_t lists = (view->lists + 15) / 16 * 16, limit = pool_limit(call->k) + CHUNK;
  char *place = (char *)(((uintptr_t)call->scratch + 63) / 64 * 64);
  work->query.spread = carve(&place, 4 * view->wide);
  work->query.eight = carve(&place, view->wide);
  work->query.planes = carve(&place, 8 * PLANES * view->wide / 64);
  work->chunk = carve(&place, 4 * 2 * CHUNK);
  work->sums = carve(&place, 4 * 2 * CHUNK);
  work->near = carve(&place, 4 * lists);
  work->bound = carve(&place, 4 * lists);
  work->inverse = carve(&place, 4 * lists);
  work->left = carve(&place, 4 * lists);
  work->seen = carve(&place, 4 * lists);
  work->heap = carve(&place, 4 * lists);
  work->pool.best = carve(&place, 4 * call->k);
  work->pool.scores = carve(&place, 4 * limit);
  work->pool.positions = carve(&place, 4 * limit);
  work->pending = 0;
  work->visited = NULL;
  if (!view->graph) return;
  work->visited = carve(&place, view->rows / 8 + 64);
  work->waiting = carve(&place, 4 * FRONTIER);
  work->waiting_scores = carve(&place, 4 * FRONTIER);
  work->kept = carve(&place, 4 * EF_MOST);
}

/* The largest absolute number, or NaN or infinity when there is one. */
static float largest(const float *x, int64_t count) {
  uint32_t top = 0;
  for (int64_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, x + i, 4);
    bits &= 0x7fffffffu;
    top = bits > top ? bits : top;
  }
  float out;
  memcpy(&out, &top, 4);
  return out;
}

static void rotate(const struct view *view, float *x) {
  int64_t wide = view->wide, block = 64;
  while (2 * block <= wide) block *= 2;
  float scale = 1.0f / sqrtf((float)block);
  for (int64_t round = 0; round < view->rounds; round++) {
    const float *signs = view->signs + round * wide;
    float *part = round % 2 ? x + (wide - block) : x;
    for (int64_t j = 0; j < wide; j++) x[j] *= signs[j];
    hadamard(part, block);
    for (int64_t j = 0; j < block; j++) part[j] *= scale;
  }
}

/* Round to whole numbers up to `level`; returns the size of one. */
static float rounded(float *x, int64_t count, float level, int32_t *total) {
  float top = largest(x, count), inverse = top > 1e-30f ? level / top : 0.0f;
  int32_t sum = 0;
  for (int64_t j = 0; j < count; j++) {
    x[j] = inverse > 0.0f ? rintf(x[j] * inverse) : 0.0f;
    sum += (int32_t)x[j];
  }
  *total = sum;
  return inverse > 0.0f ? top / level : 0.0f;
}

static int prepare(struct work *work, const struct call *call) {
  const struct view *view = call->view;
  struct prepared *query = &work->query;
  if (!(largest(call->query, view->dim) <= 3.4028235e38f)) return 1;
  float *x = query->spread;
  memset(x, 0, 4 * view->wide);
  memcpy(x, call->query, 4 * view->dim);
  query->step = rounded(x, view->wide, 127.0f, &query->shift);
  query->shift *= 128;
  for (int64_t j = 0; j < view->wide; j++) query->eight[j] = (int8_t)x[j];
  int32_t first = 0;
  exacts(call->query, view->dim, &first, 1, call->query, &query->norm2);
  query->norm = sqrtf(query->norm2);
  return 0;
}

static void prepare_codes(struct work *work, const struct call *call) {
  const struct view *view = call->view;
  struct prepared *query = &work->query;
  float *x = query->spread;
  memset(x, 0, 4 * view->wide);
  memcpy(x, call->query, 4 * view->dim);
  rotate(view, x);
  query->whole_step = rounded(x, view->wide, (float)LEVEL, &query->total);
  memset(query->planes, 0, 8 * PLANES * view->wide / 64);
  for (int64_t w = 0; w < view->wide / 64; w++) {
    uint64_t planes[PLANES] = {0};
    for (int64_t j = 0; j < 64; j++) {
      uint32_t whole = (uint32_t)(int32_t)x[64 * w + j];
      for (int bit = 0; bit < PLANES; bit++)
        planes[bit] |= (uint64_t)((whole >> bit) & 1) << j;
    }
    memcpy(query->planes + PLANES * w, planes, sizeof planes);
  }
}

/* 8-bit scores of rows. */
static void score(const struct view *view, const struct prepared *query, const int32_t *ids,
                  int64_t count, int32_t *sums, float *out) {
  eights(view->rows8, view->wide, ids, count, query->eight, sums);
  for (int64_t i = 0; i < count; i++)
    out[i] = (query->step * view->row_scales[ids[i]]) * (float)(sums[i] - query->shift);
}

static int better(float a, int32_t at_a, float b, int32_t at_b) {
  return a > b || (a == b && at_a < at_b);
}

static void sink(float *scores, int32_t *positions, int64_t root, int64_t count) {
  float score = scores[root];
  int32_t position = positions[root];
  for (int64_t child; (child = 2 * root + 1) < count; root = child) {
    if (child + 1 < count && better(scores[child], positions[child], scores[child + 1],
                                    positions[child + 1]))
      child++;
    if (!better(score, position, scores[child], positions[child])) break;
    scores[root] = scores[child];
    positions[root] = positions[child];
  }
  scores[root] = score;
  positions[root] = position;
}

/* Sort by falling score, then rising position (heap sort, the worst at the root). */
static void sort_best(float *scores, int32_t *positions, int64_t count) {
  for (int64_t root = count / 2 - 1; root >= 0; root--) sink(scores, positions, root, count);
  for (int64_t end = count - 1; end > 0; end--) {
    float score = scores[0];
    int32_t position = positions[0];
    scores[0] = scores[end];
    positions[0] = positions[end];
    scores[end] = score;
    positions[end] = position;
    sink(scores, positions, 0, end);
  }
}

static void shrink(struct pool *pool, int64_t limit) {
  float floor = pool->threshold - pool->margin;
  int64_t kept = 0;
  for (int64_t i = 0; i < pool->count; i++) {
    float score = pool->scores[i];
    pool->scores[kept] = score;
    pool->positions[kept] = pool->positions[i];
    kept += score >= floor;
  }
  if (kept > limit) {
    sort_best(pool->scores, pool->positions, kept);
    kept = limit;
  }
  pool->count = kept;
}

static void offer_best(struct pool *pool, float score) {
  float *best = pool->best;
  int64_t at;
  if (pool->held < pool->k) {
    for (at = pool->held++; at && best[(at - 1) / 2] > score; at = (at - 1) / 2)
      best[at] = best[(at - 1) / 2];
    best[at] = score;
    return;
  }
  if (score <= best[0]) return;
  int64_t child;
  for (at = 0; (child = 2 * at + 1) < pool->k; at = child) {
    if (child + 1 < pool->k && best[child + 1] < best[child]) child++;
    if (score <= best[child]) break;
    best[at] = best[child];
  }
  best[at] = score;
}

/* Take scored rows in. */
static void take(struct pool *pool, const int32_t *ids, const float *scores, int64_t count) {
  float floor = pool->threshold - pool->margin;
  for (int64_t i = 0; i < count; i++) {
    pool->scores[pool->count] = scores[i];
    pool->positions[pool->count] = ids[i];
    pool->count += scores[i] >= floor;
  }
  for (int64_t i = 0; i < count; i++)
    if (pool->held < pool->k || scores[i] > pool->best[0]) offer_best(pool, scores[i]);
  if (pool->held == pool->k) pool->threshold = pool->best[0];
  if (pool->count > pool->limit) shrink(pool, pool->limit / 2);
}

static void offer(struct work *work, struct call *call, const int32_t *ids, int64_t count) {
  float scores[2 * CHUNK];
  score(call->view, &work->query, ids, count, work->sums, scores);
  call->reranked += count;
  take(&work->pool, ids, scores, count);
}

static void start_pool(struct work *work, const struct call *call) {
  struct pool *pool = &work->pool;
  float rows = call->view->row_step * work->query.norm;
  float other = work->query.step * call->view->row_norm;
  pool->k = call->k;
  pool->held = pool->count = 0;
  pool->limit = pool_limit(call->k);
  pool->margin = 4.0f * sqrtf(rows * rows + other * other);
  pool->threshold = -INFINITY;
}

/* Score the chosen rows in full and keep the k best. */
static void finish(struct call *call, int32_t *chosen, float *scores, int64_t count) {
  exacts(call->view->exact, call->view->dim, chosen, count, call->query, scores);
  sort_best(scores, chosen, count);
  call->exact = count;
  call->found = count < call->k ? count : call->k;
  memcpy(call->positions, chosen, 4 * call->found);
  memcpy(call->scores, scores, 4 * call->found);
}

static void finish_pool(struct call *call, struct pool *pool) {
  shrink(pool, pool->count);
  finish(call, pool->positions, pool->scores, pool->count);
}

/* Members of the bitmap from *at on, up to `most` of them and below `high`. */
static int64_t next_members(const struct call *call, int64_t *at, int64_t high, int32_t *out,
                            int64_t most) {
  int64_t count = 0, from = *at;
  if (!call->bits) {
    while (from < high && count < most) out[count++] = (int32_t)from++;
    *at = from;
    return count;
  }
  while (from < high && count < most) {
    uint64_t word = call->bits[from >> 6] >> (from & 63);
    int64_t end = (from | 63) + 1;
    for (; word && count < most; word &= word - 1) {
      int64_t position = from + __builtin_ctzll(word);
      if (position >= high) break;
      out[count++] = (int32_t)position;
      end = position + 1;
    }
    from = count == most ? end : (from | 63) + 1;
  }
  *at = from < high ? from : high;
  return count;
}

static void search_ids(struct work *work, struct call *call) {
  int64_t at = 0, rows = call->view->rows;
  int exact = call->matches <= call->k + FEW;
  struct pool *pool = &work->pool;
  if (exact) {
    int64_t count = call->id_count;
    if (call->ids) memcpy(pool->positions, call->ids, 4 * count);
    else count = next_members(call, &at, rows, pool->positions, call->matches);
    finish(call, pool->positions, pool->scores, count);
    return;
  }
  start_pool(work, call);
  if (call->ids)
    for (; at < call->id_count; at += CHUNK) {
      int64_t left = call->id_count - at;
      offer(work, call, call->ids + at, left < CHUNK ? left : CHUNK);
    }
  else
    for (int64_t count; (count = next_members(call, &at, rows, work->chunk, CHUNK));)
      offer(work, call, work->chunk, count);
  finish_pool(call, pool);
}

static int before(const float *bound, int32_t a, int32_t b) {
  return bound[a] > bound[b] || (bound[a] == bound[b] && a < b);
}

static void sift(const float *bound, int32_t *heap, int64_t root, int64_t count) {
  int32_t moving = heap[root];
  for (int64_t child; (child = 2 * root + 1) < count; root = child) {
    if (child + 1 < count && before(bound, heap[child + 1], heap[child])) child++;
    if (!before(bound, heap[child], moving)) break;
    heap[root] = heap[child];
  }
  heap[root] = moving;
}

/* Members of the bitmap in [low, high). */
static int64_t members(const uint64_t *bits, int64_t low, int64_t high) {
  int64_t first = low >> 6, last = (high - 1) >> 6;
  uint64_t head = ~0ull << (low & 63), tail = ~0ull >> (63 - ((high - 1) & 63));
  if (first == last) return __builtin_popcountll(bits[first] & head & tail);
  int64_t count = __builtin_popcountll(bits[first] & head) +
                  __builtin_popcountll(bits[last] & tail);
  for (int64_t w = first + 1; w < last; w++) count += __builtin_popcountll(bits[w]);
  return count;
}

static void score_centres(struct work *work, const struct call *call) {
  const struct view *view = call->view;
  const struct prepared *query = &work->query;
  eights(view->centres, view->wide, NULL, view->lists, query->eight, (int32_t *)work->seen);
  for (int64_t c = 0; c < view->lists; c++) {
    int32_t sum = ((int32_t *)work->seen)[c] - query->shift;
    work->near[c] = (query->step * view->centre_scales[c]) * (float)sum;
  }
}

/* Bound and count the matches of each cluster, heap those that have some. */
static int64_t rank_clusters(struct work *work, struct call *call) {
  const struct view *view = call->view;
  const struct prepared *query = &work->query;
  int64_t lists = view->lists, held = 0;
  float inverse = 1.0f / (query->norm > 1e-30f ? query->norm : 1e-30f);
  for (int64_t c = 0; c < lists; c++) {
    work->bound[c] = work->near[c] + view->reach * (query->norm * view->spreads[c]);
    work->inverse[c] = view->sharpness[c] * inverse;
  }
  for (int64_t c = 0; c < lists; c++) {
    int64_t low = view->starts[c], high = view->starts[c + 1];
    int64_t count = call->bits ? members(call->bits, low, high) : high - low;
    work->left[c] = (float)count;
    work->heap[held] = (int32_t)c;
    held += count > 0;
  }
  memset(work->seen, 0, 4 * ((lists + 15) / 16 * 16));
  for (int64_t c = lists; c < (lists + 15) / 16 * 16; c++)
    work->near[c] = work->inverse[c] = work->left[c] = 0.0f;
  for (int64_t root = held / 2 - 1; root >= 0; root--) sift(work->bound, work->heap, root, held);
  return held;
}

static void flush(struct work *work, struct call *call) {
  if (work->pending) offer(work, call, work->chunk, work->pending);
  work->pending = 0;
}

/* Offer the rows of a cluster that are allowed and may be among the k best. */
static void visit(struct work *work, struct call *call, int64_t c) {
  const struct view *view = call->view;
  int64_t low = view->starts[c], high = view->starts[c + 1];
  if ((int64_t)work->left[c] * call->sparse < high - low) {
    while (low < high) {
      work->pending += next_members(call, &low, high, work->chunk + work->pending,
                                    CHUNK - work->pending);
      if (work->pending == CHUNK) flush(work, call);
    }
    return;
  }
  flush(work, call);
  const struct prepared *query = &work->query;
  float apart2 = (query->norm2 + view->centre_norms[c]) - 2.0f * work->near[c];
  struct estimate estimate = {
      .view = view,
      .planes = query->planes,
      .bits = (const uint8_t *)call->bits,
      .low = low,
      .high = high,
      .total = query->total,
      .near = work->near[c],
      .step = query->whole_step,
      .slack = call->slack * sqrtf(apart2 > 0.0f ? apart2 : 0.0f),
  };
  int64_t last = (high + 7) / 8 * 8;
  for (int64_t from = low / 8 * 8; from < last; from += CHUNK) {
    int64_t to = from + CHUNK < last ? from + CHUNK : last;
    int64_t count = survivors(&estimate, from, to, work->pool.threshold, work->chunk);
    if (count) offer(work, call, work->chunk, count);
  }
  call->codes += high - low;
}

/* Whether few enough results can be missing. */
static int enough(const struct work *work, const struct call *call) {
  const struct view *view = call->view;
  float left, seen, k = (float)call->k;
  if (work->pool.held < work->pool.k) return 0;
  tail_sums(view->tail, work->near, work->inverse, work->left, work->seen,
            (view->lists + 15) / 16 * 16, work->pool.threshold, &left, &seen);
  /* More found than expected: more is missing, too. Fewer: nearer rows are not allowed, which says
     nothing about those further off. */
  seen = seen < k ? seen : k;
  float stop = call->stops[work->level];
  return left * (k + view->prior) <= (stop * k) * (seen + view->prior);
}

static void search_clusters(struct work *work, struct call *call) {
  const struct view *view = call->view;
  prepare_codes(work, call);
  int64_t left = rank_clusters(work, call);
  start_pool(work, call);
  call->path = call->stops[0] >= 0.0f ? 1 : 2;
  for (int64_t visited = 1, due = 1; left; visited++) {
    int32_t cluster = work->heap[0];
    work->heap[0] = work->heap[--left];
    if (left) sift(work->bound, work->heap, 0, left);
    visit(work, call, cluster);
    call->clusters = visited;
    work->seen[cluster] = work->left[cluster];
    work->left[cluster] = 0.0f;
    if (visited >= due) {
      flush(work, call);
      due = visited + 1 + visited / 4;
      if (call->stops[0] >= 0.0f && enough(work, call)) break;
    }
  }
  flush(work, call);
  finish_pool(call, &work->pool);
}

/* Find the nearest clusters, and count how many of their rows are allowed. */
static void look_near(struct work *work, struct call *call) {
  const struct view *view = call->view;
  int32_t *out = work->nearest;
  int64_t count = 0;
  for (int32_t c = 0; c < view->lists; c++) {
    if (count == NEAREST && work->near[c] <= work->near[out[count - 1]]) continue;
    int64_t at = count < NEAREST ? count++ : count - 1;
    for (; at && work->near[out[at - 1]] < work->near[c]; at--) out[at] = out[at - 1];
    out[at] = c;
  }
  work->nearest_count = count;
  for (int64_t i = 0; i < count; i++) {
    int64_t low = view->starts[out[i]], high = view->starts[out[i] + 1];
    call->near_rows += high - low;
    call->near_matches += call->bits ? members(call->bits, low, high) : high - low;
  }
  /* From a twentieth on some, from two fifths on many. */
  work->level = (call->near_matches * 20 >= call->near_rows) +
                (call->near_matches * 5 >= call->near_rows * 2);
}

static int allowed(const struct call *call, int32_t at) {
  return !call->bits || (call->bits[at >> 6] >> (at & 63)) & 1;
}

/* A heap of rows that wait to be expanded, the best at the root. */
static void wait(struct work *work, int64_t *count, float score, int32_t row) {
  if (*count == FRONTIER) return;
  int64_t at = (*count)++;
  for (int64_t up; at && (up = (at - 1) / 2, better(score, row, work->waiting_scores[up],
                                                    work->waiting[up]));
       at = up) {
    work->waiting_scores[at] = work->waiting_scores[up];
    work->waiting[at] = work->waiting[up];
  }
  work->waiting_scores[at] = score;
  work->waiting[at] = row;
}

static void remove_best(struct work *work, int64_t *count) {
  float *scores = work->waiting_scores, score = scores[--*count];
  int32_t *rows = work->waiting, row = rows[*count];
  int64_t at = 0;
  for (int64_t child; (child = 2 * at + 1) < *count; at = child) {
    if (child + 1 < *count &&
        better(scores[child + 1], rows[child + 1], scores[child], rows[child]))
      child++;
    if (better(score, row, scores[child], rows[child])) break;
    scores[at] = scores[child];
    rows[at] = rows[child];
  }
  scores[at] = score;
  rows[at] = row;
}

/* Rows met for the first time, scored: they wait, and those allowed are taken in. */
static void meet_rows(struct work *work, struct call *call, struct pool *kept, int64_t *waiting,
                      const int32_t *met, int64_t count) {
  int32_t inside[2 * CHUNK];
  float scores[2 * CHUNK], inside_scores[2 * CHUNK];
  int64_t members = 0;
  score(call->view, &work->query, met, count, work->sums, scores);
  call->reranked += count;
  for (int64_t i = 0; i < count; i++) {
    if (kept->held == kept->k && scores[i] <= kept->best[0]) continue;
    wait(work, waiting, scores[i], met[i]);
    if (!allowed(call, met[i])) continue;
    offer_best(kept, scores[i]);
    inside[members] = met[i];
    inside_scores[members++] = scores[i];
  }
  take(&work->pool, inside, inside_scores, members);
}

static int visit_row(struct work *work, int32_t row) {
  uint8_t bit = (uint8_t)(1 << (row & 7)), *at = work->visited + (row >> 3);
  if (*at & bit) return 0;
  *at |= bit;
  return 1;
}

/* Walk the graph; the filter decides only what is kept. Returns 0, without a result, where few of
   the rows near the query are allowed, or too few were found. */
static int search_graph(struct work *work, struct call *call) {
  const struct view *view = call->view;
  const int32_t *first = work->nearest;
  int32_t met[2 * CHUNK];
  int64_t count = work->nearest_count;
  if (call->near_matches * view->rows < call->graph_from * call->near_rows) return 0;
  struct pool kept = {.k = call->ef, .best = work->kept};
  int64_t waiting = 0;
  start_pool(work, call);
  memset(work->visited, 0, view->rows / 8 + 1);
  if (call->barred >= 0) visit_row(work, (int32_t)call->barred);
  int64_t entries = 0;
  for (int64_t i = 0; i < count; i++)
    if (visit_row(work, view->entries[first[i]])) met[entries++] = view->entries[first[i]];
  if (entries) meet_rows(work, call, &kept, &waiting, met, entries);
  while (waiting) {
    float best = work->waiting_scores[0];
    const int32_t *edges = view->graph + (int64_t)work->waiting[0] * view->degree;
    if (kept.held == kept.k && best < kept.best[0]) break;
    remove_best(work, &waiting);
    count = 0;
    for (int64_t i = 0; i < view->degree && edges[i] >= 0; i++)
      if (visit_row(work, edges[i])) met[count++] = edges[i];
    if (count) meet_rows(work, call, &kept, &waiting, met, count);
  }
  if (work->pool.held < work->pool.k) {
    call->reranked = 0;
    return 0;
  }
  call->path = 3;
  finish_pool(call, &work->pool);
  return 1;
}

int NAME(search)(struct call *call) {
  struct work work;
  call->found = call->path = call->clusters = call->codes = call->reranked = call->exact = 0;
  call->near_rows = call->near_matches = 0;
  lay_out(&work, call);
  if (prepare(&work, call)) return 1;
  for (int64_t i = 0, least = 0; call->ids && i < call->id_count; least = call->ids[i++] + 1)
    if (call->ids[i] < least || call->ids[i] >= call->view->rows) return 2;
  if (call->ids) call->matches = call->id_count;
  else if (!call->bits) call->matches = call->view->rows;
  else if (call->matches < 0) call->matches = members(call->bits, 0, call->view->rows);
  if (!call->matches) return 0;
  if (call->ids || call->matches <= call->k + FEW || call->matches <= call->ids_limit) {
    search_ids(&work, call);
    return 0;
  }
  score_centres(&work, call);
  look_near(&work, call);
  if (!work.visited || !call->ef || call->matches < call->graph_from || !search_graph(&work, call))
    search_clusters(&work, call);
  return 0;
}

/* One kernel on its own, for tests and benchmarks: 0 full and 1 8-bit scores of `ids` into
   `scores`; 2 rows of `bits` whose estimate beats the threshold `stops[0]`, counted in `found`. */
int NAME(kernel)(struct call *call, int64_t which) {
  const struct view *view = call->view;
  struct work work;
  lay_out(&work, call);
  if (prepare(&work, call)) return 1;
  if (which == 0) exacts(view->exact, view->dim, call->ids, call->id_count, call->query, call->scores);
  if (which == 1)
    score(view, &work.query, call->ids, call->id_count, call->positions, call->scores);
  if (which != 2) return 0;
  prepare_codes(&work, call);
  struct estimate estimate = {
      .view = view,
      .planes = work.query.planes,
      .bits = (const uint8_t *)call->bits,
      .high = view->rows,
      .total = work.query.total,
      .step = work.query.whole_step,
  };
  call->found = 0;
  for (int64_t from = 0; from < view->rows; from += CHUNK) {
    int64_t to = from + CHUNK < view->rows ? from + CHUNK : (view->rows + 7) / 8 * 8;
    call->found += survivors(&estimate, from, to, call->stops[0], work.chunk);
  }
  return 0;
}
