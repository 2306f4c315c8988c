-- entries_of --
-- The newest first: the reads of an older one may hold again.
SELECT key, variant, outputs, reads, stats, created, accepted FROM entries WHERE key = :key ORDER BY created DESC, variant

-- entry --
SELECT key, variant, function, outputs, parts, reads, seconds, created, run, step FROM entries
WHERE key = :key AND variant = :variant

-- latest_of_function --
SELECT key, variant, parts, reads FROM entries WHERE function = :function ORDER BY created DESC LIMIT 1

-- commit_entry --
INSERT INTO entries (key, variant, function, outputs, parts, reads, stats, seconds, created, run, step, accepted)
VALUES (:key, :variant, :function, :outputs, :parts, :reads, :stats, :seconds, :created, :run, :step, :accepted)
ON CONFLICT (key, variant) DO UPDATE SET outputs = excluded.outputs, stats = excluded.stats, seconds = excluded.seconds,
    created = excluded.created, run = excluded.run, step = excluded.step, accepted = excluded.accepted

-- set_stats --
UPDATE entries SET stats = :stats WHERE key = :key AND variant = :variant

-- forget_entry --
DELETE FROM entries WHERE key = :key AND variant = :variant

-- previous --
-- What this step of this pipeline used or made the last time.
SELECT runs.id AS run, step_runs.key AS key, step_runs.variant AS variant FROM step_runs JOIN runs ON runs.id = step_runs.run
WHERE runs.pipeline = :pipeline AND step_runs.step = :step AND step_runs.shard = :shard
    AND step_runs.outcome IN ('hit', 'ran') AND runs.id <> :run
ORDER BY runs.seq DESC LIMIT 1

-- last_failed --
SELECT step_runs.outcome AS outcome FROM step_runs JOIN runs ON runs.id = step_runs.run
WHERE runs.pipeline = :pipeline AND step_runs.step = :step AND step_runs.shard = :shard AND runs.id <> :run
ORDER BY runs.seq DESC LIMIT 1

-- history --
-- Mean seconds of the work of each function, for critical paths and estimates.
SELECT function, AVG(seconds) AS seconds FROM entries WHERE accepted = '' GROUP BY function

-- insert_run --
INSERT INTO runs (id, seq, pipeline, state, started_at, request, graph, inputs)
SELECT :id, COALESCE(MAX(seq), 0) + 1, :pipeline, 'running', :started_at, :request, :graph, :inputs FROM runs

-- end_run --
UPDATE runs SET state = :state, ended_at = :ended_at WHERE id = :id

-- running --
SELECT id FROM runs WHERE state = 'running' AND id <> :id

-- set_step_run --
-- A retried attempt replaces what the one before it said.
INSERT INTO step_runs (run, step, shard, position, outcome, why, key, variant, seconds, cpu_seconds, attempts, log,
    outputs, inputs, warnings, error, ended_at)
VALUES (:run, :step, :shard, :position, :outcome, :why, :key, :variant, :seconds, :cpu_seconds, :attempts, :log,
    :outputs, :inputs, :warnings, :error, :ended_at)
ON CONFLICT (run, step, shard) DO UPDATE SET outcome = excluded.outcome, why = excluded.why, key = excluded.key,
    variant = excluded.variant, seconds = excluded.seconds, cpu_seconds = excluded.cpu_seconds, attempts = excluded.attempts, log = excluded.log,
    outputs = excluded.outputs, inputs = excluded.inputs, warnings = excluded.warnings, error = excluded.error,
    ended_at = excluded.ended_at

-- ended --
SELECT step_runs.outcome AS outcome, entries.outputs AS outputs FROM step_runs
LEFT JOIN entries ON entries.key = step_runs.key AND entries.variant = step_runs.variant
WHERE step_runs.run = :run AND step_runs.step = :step AND step_runs.shard = :shard

-- run --
SELECT id, pipeline, state, started_at, request, graph, inputs, ended_at FROM runs WHERE id = :id

-- runs --
SELECT id, pipeline, state, started_at, request, graph, inputs, ended_at FROM runs ORDER BY seq DESC LIMIT :limit

-- step_runs --
SELECT step, shard, outcome, why, key, variant, seconds, cpu_seconds, attempts, log, outputs, inputs, warnings, error,
    ended_at
FROM step_runs WHERE run = :run ORDER BY position, shard

-- begin_attempt --
INSERT INTO attempts (run, step, shard, number, key, owner, token, started_at, outcome)
VALUES (:run, :step, :shard, :number, :key, :owner, :token, :started_at, 'running')
ON CONFLICT (run, step, shard, number) DO UPDATE SET key = excluded.key, owner = excluded.owner,
    token = excluded.token, started_at = excluded.started_at, outcome = excluded.outcome

-- end_attempt --
UPDATE attempts SET outcome = :outcome WHERE run = :run AND step = :step AND shard = :shard AND number = :number

-- end_attempts --
UPDATE attempts SET outcome = 'died' WHERE run = :run AND outcome = 'running'

-- lease --
SELECT owner, token, expires FROM leases WHERE key = :key

-- take_lease --
INSERT INTO leases (key, owner, token, expires) VALUES (:key, :owner, 1, :expires)
ON CONFLICT (key) DO UPDATE SET owner = excluded.owner, token = leases.token + 1, expires = excluded.expires

-- renew_lease --
UPDATE leases SET expires = :expires WHERE key = :key AND token = :token AND owner <> ''

-- release_lease --
-- The row stays, so that the next owner's token is a higher one.
UPDATE leases SET owner = '', expires = 0 WHERE key = :key AND token = :token

-- drop_lease --
DELETE FROM leases WHERE key = :key

-- checkpoint --
SELECT artifact FROM checkpoints WHERE key = :key

-- save_checkpoint --
INSERT INTO checkpoints (key, artifact, saved_at) VALUES (:key, :artifact, :saved_at)
ON CONFLICT (key) DO UPDATE SET artifact = excluded.artifact, saved_at = excluded.saved_at

-- drop_checkpoint --
DELETE FROM checkpoints WHERE key = :key
