CREATE TABLE rollouts (
    id TEXT PRIMARY KEY,
    model TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    candidate BIGINT NOT NULL,
    champion BIGINT,
    stage BIGINT NOT NULL,
    stage_since TEXT NOT NULL,
    started_at TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL
);
-- Two rollouts at once on one endpoint are impossible, whoever asks.
CREATE UNIQUE INDEX rollouts_running ON rollouts (endpoint) WHERE state = 'running';
CREATE TABLE rollout_tallies (
    rollout TEXT NOT NULL REFERENCES rollouts (id),
    stage BIGINT NOT NULL,
    weight BIGINT NOT NULL,
    candidate_requests BIGINT NOT NULL,
    candidate_errors BIGINT NOT NULL,
    champion_requests BIGINT NOT NULL,
    champion_errors BIGINT NOT NULL,
    PRIMARY KEY (rollout, stage)
);
-- Every decision that moved a rollout, with all that it was computed from. Append-only.
CREATE TABLE rollout_decisions (
    rollout TEXT NOT NULL REFERENCES rollouts (id),
    number BIGINT NOT NULL,
    at TEXT NOT NULL,
    actor TEXT NOT NULL,
    stage BIGINT NOT NULL,
    stage_since TEXT NOT NULL,
    stage_requests BIGINT NOT NULL,
    tallies TEXT NOT NULL,
    shadow TEXT,
    action TEXT NOT NULL,
    reason TEXT NOT NULL,
    evidence DOUBLE PRECISION,
    PRIMARY KEY (rollout, number)
);
