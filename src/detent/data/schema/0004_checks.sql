-- What came of every check of a snapshot's promises. `last` is the snapshot that it was compared with, or empty.
CREATE TABLE checks (
    seq BIGINT PRIMARY KEY,
    dataset TEXT NOT NULL,
    snapshot TEXT NOT NULL,
    last TEXT NOT NULL,
    outcome TEXT NOT NULL,
    results TEXT NOT NULL,
    expectations TEXT NOT NULL,
    checked TEXT NOT NULL
);
CREATE INDEX checks_dataset ON checks (dataset, outcome);
