-- The truth about predictions, one row per prediction, and every value it ever had.
CREATE TABLE labels (
    prediction_id TEXT NOT NULL PRIMARY KEY,
    value DOUBLE PRECISION NOT NULL,
    at TEXT NOT NULL,
    revision INTEGER NOT NULL,
    first_value DOUBLE PRECISION NOT NULL
);
CREATE TABLE label_revisions (
    prediction_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (prediction_id, revision)
);
