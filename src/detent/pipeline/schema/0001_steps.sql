-- What steps returned, by cache key: `outputs` are names of blobs, `parts` is what the key was made of.
CREATE TABLE steps (
    key TEXT PRIMARY KEY,
    step TEXT NOT NULL,
    outputs TEXT NOT NULL,
    parts TEXT NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    created TEXT NOT NULL
);
CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    seq BIGINT NOT NULL UNIQUE,
    pipeline TEXT NOT NULL,
    state TEXT NOT NULL,
    started_at TEXT NOT NULL,
    request TEXT NOT NULL
);
CREATE TABLE step_runs (
    run TEXT NOT NULL REFERENCES runs (id),
    position BIGINT NOT NULL,
    step TEXT NOT NULL,
    outcome TEXT NOT NULL,
    why TEXT NOT NULL,
    key TEXT NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    attempts BIGINT NOT NULL,
    log TEXT NOT NULL,
    outputs TEXT NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (run, position)
);
CREATE INDEX step_runs_step ON step_runs (step);
