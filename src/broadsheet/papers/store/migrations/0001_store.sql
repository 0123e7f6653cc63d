-- Records are the truth: every source record verbatim, in the order of arrival.
CREATE TABLE records (
    sequence    INTEGER PRIMARY KEY,     -- 1, 2, 3, ... without gaps
    source      TEXT NOT NULL,
    key         TEXT NOT NULL,           -- the source's own name for it
    sha256      BLOB NOT NULL,           -- of raw bytes and context
    context     TEXT NOT NULL,           -- canonical JSON
    raw         BLOB NOT NULL,           -- zstd
    origin      TEXT NOT NULL,
    offset      INTEGER NOT NULL,
    ingested_at TEXT NOT NULL,
    born        INTEGER NOT NULL,        -- the work it was first given to; never changes
    work        INTEGER NOT NULL         -- the work it belongs to now
);
CREATE UNIQUE INDEX records_by_hash ON records (sha256, source, key);
CREATE INDEX records_by_work ON records (work, sequence);

-- Works are merged from their records. A number is never used twice.
CREATE TABLE works (
    number      INTEGER PRIMARY KEY,
    work_id     TEXT NOT NULL UNIQUE,
    revision    INTEGER NOT NULL,        -- of the store, when this work last changed
    merged_into INTEGER,                 -- number of the work that took its records, else NULL
    merged_at   INTEGER,                 -- sequence of the record that showed they are one
    date        TEXT NOT NULL,           -- Work.date: full or partial ISO date, or ""
    json        BLOB                     -- zstd of Work.to_json; NULL once merged away
);
CREATE UNIQUE INDEX works_by_revision ON works (revision);
CREATE INDEX works_by_date ON works (date, work_id) WHERE json IS NOT NULL;
CREATE INDEX works_merged ON works (merged_into) WHERE merged_into IS NOT NULL;

-- Exact identifiers, e.g. "arxiv:2401.00001": one work each.
CREATE TABLE match_keys (
    key  TEXT PRIMARY KEY,
    work INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX match_keys_by_work ON match_keys (work);

-- Titles in their comparison form, with what else is needed to match by title.
CREATE TABLE titles (
    title  TEXT NOT NULL,
    work   INTEGER NOT NULL,
    family TEXT NOT NULL,                -- of the first author, "" when unknown
    year   INTEGER NOT NULL,             -- 0 when unknown
    PRIMARY KEY (title, work, family, year)
) WITHOUT ROWID;
CREATE INDEX titles_by_work ON titles (work);

-- Input that could not be read, with its place.
CREATE TABLE rejects (
    origin      TEXT NOT NULL,
    offset      INTEGER NOT NULL,
    unit        TEXT NOT NULL,
    reason      TEXT NOT NULL,
    excerpt     TEXT NOT NULL,
    ingested_at TEXT NOT NULL,
    PRIMARY KEY (origin, offset, unit, reason)
);

-- Published editions: immutable documents.
CREATE TABLE editions (
    day      TEXT NOT NULL,
    printing INTEGER NOT NULL,
    sha256   TEXT NOT NULL,
    document BLOB NOT NULL,
    PRIMARY KEY (day, printing)
) WITHOUT ROWID;
