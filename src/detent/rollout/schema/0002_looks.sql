-- Kinds of rollouts, their arms, and the service times that count as slow (seconds).
ALTER TABLE rollouts ADD COLUMN kind TEXT NOT NULL DEFAULT 'canary';
ALTER TABLE rollouts ADD COLUMN arms TEXT NOT NULL DEFAULT '[]';
ALTER TABLE rollouts ADD COLUMN slow DOUBLE PRECISION;
ALTER TABLE rollouts ADD COLUMN slower DOUBLE PRECISION;
-- The newest look at a rollout. Replaces the counts per stage.
CREATE TABLE rollout_looks (
    rollout TEXT PRIMARY KEY REFERENCES rollouts (id),
    at TEXT NOT NULL,
    look TEXT NOT NULL,
    step TEXT NOT NULL
);
DROP TABLE rollout_tallies;
-- Decisions made before this migration have none of these and can't be recomputed.
ALTER TABLE rollout_decisions ADD COLUMN rollout_before TEXT;
ALTER TABLE rollout_decisions ADD COLUMN plan TEXT;
ALTER TABLE rollout_decisions ADD COLUMN look TEXT;
ALTER TABLE rollout_decisions ADD COLUMN step TEXT;
