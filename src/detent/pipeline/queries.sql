-- entry --
SELECT key, step, outputs, parts FROM steps WHERE key = :key

-- previous_key --
-- What this step of this pipeline used or made the last time.
SELECT step_runs.key AS key FROM step_runs JOIN runs ON runs.id = step_runs.run
WHERE runs.pipeline = :pipeline AND step_runs.step = :step AND step_runs.outcome IN ('hit', 'ran')
ORDER BY runs.seq DESC LIMIT 1

-- commit_entry --
INSERT INTO steps (key, step, outputs, parts, seconds, created)
VALUES (:key, :step, :outputs, :parts, :seconds, :created)
ON CONFLICT (key) DO UPDATE SET outputs = excluded.outputs, seconds = excluded.seconds, created = excluded.created

-- insert_run --
INSERT INTO runs (id, seq, pipeline, state, started_at, request)
SELECT :id, COALESCE(MAX(seq), 0) + 1, :pipeline, 'running', :started_at, :request FROM runs

-- end_run --
UPDATE runs SET state = :state WHERE id = :id

-- end_abandoned --
-- Whoever holds the run lock knows that no other run is alive: what still says so was killed.
UPDATE runs SET state = 'failed' WHERE state = 'running' AND id <> :id

-- insert_step_run --
INSERT INTO step_runs (run, position, step, outcome, why, key, seconds, attempts, log, outputs, error)
VALUES (:run, :position, :step, :outcome, :why, :key, :seconds, :attempts, :log, :outputs, :error)

-- run --
SELECT id, pipeline, state, started_at, request FROM runs WHERE id = :id

-- runs --
SELECT id, pipeline, state, started_at, request FROM runs ORDER BY seq DESC LIMIT :limit

-- step_runs --
SELECT step, outcome, why, key, seconds, attempts, log, outputs, error FROM step_runs WHERE run = :run ORDER BY position
