-- Results by cache key. `variant` is the digest of what the step read besides its arguments ("" when that is nothing):
-- a result counts only while all of `reads` is unchanged, so one key may have several.
DROP TABLE steps;
CREATE TABLE entries (
    key TEXT NOT NULL,
    variant TEXT NOT NULL,
    function TEXT NOT NULL,
    outputs TEXT NOT NULL,
    parts TEXT NOT NULL,
    reads TEXT NOT NULL,
    stats TEXT NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    created TEXT NOT NULL,
    run TEXT NOT NULL,
    step TEXT NOT NULL,
    accepted TEXT NOT NULL,
    PRIMARY KEY (key, variant)
);
CREATE INDEX entries_function ON entries (function, created);
ALTER TABLE runs ADD COLUMN graph TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN inputs TEXT NOT NULL DEFAULT '{}';
ALTER TABLE runs ADD COLUMN ended_at TEXT NOT NULL DEFAULT '';
-- What became of each step of each run, written in the transaction that makes its result one. `shard` counts the items
-- of a fan-out from 0; -1 is a step that is none.
DROP TABLE step_runs;
CREATE TABLE step_runs (
    run TEXT NOT NULL REFERENCES runs (id),
    step TEXT NOT NULL,
    shard BIGINT NOT NULL,
    position BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    why TEXT NOT NULL,
    key TEXT NOT NULL,
    variant TEXT NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    attempts BIGINT NOT NULL,
    log TEXT NOT NULL,
    outputs TEXT NOT NULL,
    inputs TEXT NOT NULL,
    warnings TEXT NOT NULL,
    error TEXT NOT NULL,
    ended_at TEXT NOT NULL,
    PRIMARY KEY (run, step, shard)
);
CREATE INDEX step_runs_step ON step_runs (step);
CREATE INDEX step_runs_key ON step_runs (key);
-- Every attempt at a step, also those that were killed.
CREATE TABLE attempts (
    run TEXT NOT NULL,
    step TEXT NOT NULL,
    shard BIGINT NOT NULL,
    number BIGINT NOT NULL,
    key TEXT NOT NULL,
    owner TEXT NOT NULL,
    token BIGINT NOT NULL,
    started_at TEXT NOT NULL,
    outcome TEXT NOT NULL,
    PRIMARY KEY (run, step, shard, number)
);
-- Who works on a key. `token` grows with every owner: a late one can't commit. `expires` is in seconds of the epoch.
CREATE TABLE leases (
    key TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    token BIGINT NOT NULL,
    expires DOUBLE PRECISION NOT NULL
);
-- What an unfinished step put aside, for the next attempt at the same key.
CREATE TABLE checkpoints (
    key TEXT PRIMARY KEY,
    artifact TEXT NOT NULL,
    saved_at TEXT NOT NULL
);
