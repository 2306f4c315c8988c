-- What was read from each source outside, and what the source said of itself then. `origin` names what is read: rows of
-- another URL or query are never taken for this one's.
CREATE TABLE sources (
    dataset TEXT PRIMARY KEY,
    origin TEXT NOT NULL,
    source TEXT NOT NULL,
    version TEXT NOT NULL,
    snapshot TEXT NOT NULL,
    columns TEXT NOT NULL,
    parts TEXT NOT NULL,
    row_count BIGINT NOT NULL,
    asked TEXT NOT NULL,
    read_at TEXT NOT NULL
);
