-- Which rows a dataset held at which cut. `id` names contents, so several cuts may share one.
CREATE TABLE snapshots (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL,
    dataset TEXT NOT NULL,
    source TEXT NOT NULL,
    as_of TEXT NOT NULL,
    row_count BIGINT NOT NULL,
    columns TEXT NOT NULL,
    parts TEXT NOT NULL,
    created TEXT NOT NULL,
    UNIQUE (dataset, id, as_of)
);
CREATE INDEX snapshots_id ON snapshots (id);
