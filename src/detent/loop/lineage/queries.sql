-- run --
SELECT id, seq, pipeline, state, started_at, ended_at, inputs, request FROM runs WHERE id = :run

-- runs_after --
SELECT id, seq, pipeline, state, started_at, ended_at, inputs FROM runs WHERE seq > :seq ORDER BY seq LIMIT :limit

-- steps --
-- What every step of a run took, gave and was made of.
SELECT step_runs.step AS step, step_runs.shard AS shard, step_runs.outcome AS outcome, step_runs.why AS why,
    step_runs.key AS key, step_runs.seconds AS seconds, step_runs.outputs AS outputs, step_runs.inputs AS inputs,
    step_runs.error AS error, step_runs.ended_at AS ended_at, entries.function AS function, entries.parts AS parts,
    entries.reads AS reads, entries.outputs AS stored, entries.stats AS stats, entries.run AS made_in
FROM step_runs LEFT JOIN entries ON entries.key = step_runs.key AND entries.variant = step_runs.variant
WHERE step_runs.run = :run ORDER BY step_runs.position, step_runs.shard

-- wiring_of_run --
SELECT runs.id AS id, pipeline, state, started_at, runs.ended_at AS ended_at, runs.inputs AS given, request, step,
    step_runs.inputs AS inputs, outputs
FROM runs LEFT JOIN step_runs ON step_runs.run = runs.id
WHERE runs.id = :run ORDER BY runs.seq DESC, position, shard

-- wiring_of_readers --
-- Runs that were given something; `needle` is a part of the JSON, such as %"orders":% or %"<digest>"%.
SELECT runs.id AS id, pipeline, state, started_at, runs.ended_at AS ended_at, runs.inputs AS given, request, step,
    step_runs.inputs AS inputs, outputs
FROM runs LEFT JOIN step_runs ON step_runs.run = runs.id
WHERE runs.inputs LIKE :needle ORDER BY runs.seq DESC, position, shard

-- wiring_of_makers --
-- Runs that made a step's output, or took it from the cache.
SELECT runs.id AS id, pipeline, state, started_at, runs.ended_at AS ended_at, runs.inputs AS given, request, step,
    step_runs.inputs AS inputs, outputs
FROM runs LEFT JOIN step_runs ON step_runs.run = runs.id
WHERE runs.id IN (SELECT run FROM step_runs WHERE outputs LIKE :needle) ORDER BY runs.seq DESC, position, shard

-- outputs_of_step --
-- What a step of that name gave, newest run first.
SELECT run, outputs FROM step_runs JOIN runs ON runs.id = step_runs.run WHERE step = :step ORDER BY runs.seq DESC

-- maker --
-- Who made an output first.
SELECT step_runs.run AS run, step, shard FROM step_runs JOIN runs ON runs.id = step_runs.run
WHERE outputs LIKE :needle ORDER BY CASE outcome WHEN 'ran' THEN 0 ELSE 1 END, runs.seq, position LIMIT 1

-- outputs_like --
SELECT DISTINCT outputs FROM step_runs WHERE outputs LIKE :needle

-- snapshot --
-- A version of a dataset: cut by a run, or added by hand (then it has no cut and no list of parts). The same rows may
-- have been cut many times; asked for is the newest cut that is not later than `before`.
SELECT id, dataset, source, as_of, row_count, columns, parts, created, NULL AS bytes, NULL AS files,
    0 AS by_hand, seq
FROM snapshots WHERE id = :digest AND dataset = :dataset AND as_of <= :before
UNION ALL
SELECT manifest, dataset, source, '', row_count, columns, NULL, created, bytes, files, 1, seq
FROM data_commits WHERE manifest = :digest AND dataset = :dataset
ORDER BY by_hand, seq DESC LIMIT 1

-- snapshots_of --
-- Each version once, however often it was cut; the newest first.
SELECT id FROM snapshots WHERE dataset = :dataset GROUP BY id ORDER BY MAX(seq) DESC

-- snapshots_like --
SELECT DISTINCT dataset, id FROM snapshots WHERE id >= :low AND id < :high ORDER BY dataset, id

-- datasets --
SELECT DISTINCT dataset FROM snapshots ORDER BY dataset

-- first_event --
SELECT hash FROM ledger ORDER BY seq LIMIT 1
