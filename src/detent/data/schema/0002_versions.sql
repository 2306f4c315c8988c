-- Versions of datasets that were added, imported or cut by hand; written once. `manifest` names the contents.
CREATE TABLE data_commits (
    seq BIGINT PRIMARY KEY,
    dataset TEXT NOT NULL,
    manifest TEXT NOT NULL,
    parent TEXT NOT NULL,
    message TEXT NOT NULL,
    author TEXT NOT NULL,
    created TEXT NOT NULL,
    source TEXT NOT NULL,
    files BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    row_count BIGINT,
    columns TEXT NOT NULL
);
CREATE INDEX data_commits_dataset ON data_commits (dataset, seq);
-- Tags are a log: the newest row of a tag is what it points to (version NULL: to nothing).
CREATE TABLE data_tags (
    seq BIGINT PRIMARY KEY,
    dataset TEXT NOT NULL,
    tag TEXT NOT NULL,
    version TEXT,
    actor TEXT NOT NULL,
    at TEXT NOT NULL
);
CREATE INDEX data_tags_tag ON data_tags (dataset, tag, seq);
-- Blobs that nothing needed when they were last looked at. Deleted only if the same is found again later.
CREATE TABLE data_tombstones (
    digest TEXT PRIMARY KEY,
    bytes BIGINT NOT NULL,
    at TEXT NOT NULL
);
