-- The last time at which somebody said the present value, when it reached us, when any value first did, and who said it.
ALTER TABLE labels ADD COLUMN confirmed_at TEXT NOT NULL DEFAULT '';
ALTER TABLE labels ADD COLUMN arrived_at TEXT NOT NULL DEFAULT '';
ALTER TABLE labels ADD COLUMN first_arrived_at TEXT NOT NULL DEFAULT '';
ALTER TABLE labels ADD COLUMN source TEXT NOT NULL DEFAULT '';
UPDATE labels SET confirmed_at = at, arrived_at = at, first_arrived_at = at;
ALTER TABLE label_revisions ADD COLUMN arrived_at TEXT NOT NULL DEFAULT '';
ALTER TABLE label_revisions ADD COLUMN source TEXT NOT NULL DEFAULT '';
UPDATE label_revisions SET arrived_at = at;
-- Labels of predictions that the log does not have (yet).
CREATE TABLE orphans (
    field TEXT NOT NULL,
    name TEXT NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    at TEXT NOT NULL,
    arrived_at TEXT NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (field, name)
);
-- Where labels are fetched, and up to when each place was read.
CREATE TABLE label_sources (
    name TEXT NOT NULL PRIMARY KEY,
    looked_at TEXT NOT NULL,
    read_at TEXT,
    version TEXT NOT NULL,
    fault TEXT NOT NULL
);
-- Answers that people were asked about.
CREATE TABLE audits (
    prediction_id TEXT NOT NULL PRIMARY KEY,
    asked_at TEXT NOT NULL
);
