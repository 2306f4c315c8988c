-- runs --
-- Everything that a run's row names.
SELECT id, state, started_at, graph, inputs FROM runs ORDER BY seq

-- steps --
SELECT step_runs.outputs AS outputs, step_runs.inputs AS inputs, entries.outputs AS stored, entries.parts AS parts,
    entries.reads AS reads
FROM step_runs LEFT JOIN entries ON entries.key = step_runs.key AND entries.variant = step_runs.variant
WHERE step_runs.run = :run ORDER BY step_runs.position, step_runs.shard

-- entries_since --
SELECT outputs, parts, reads FROM entries WHERE created >= :since

-- checkpoints --
SELECT artifact FROM checkpoints

-- sources --
-- What is known of sources outside; it saves reading them again.
SELECT snapshot, parts FROM sources

-- checks --
-- Recent checks with the rows they kept, and the snapshots that later ones are compared with.
SELECT snapshot, last, results FROM checks WHERE checked >= :since
    OR seq IN (SELECT MAX(seq) FROM checks WHERE outcome <> 'fail' GROUP BY dataset)

-- parcels --
SELECT digest FROM log_parcels

-- verdict --
SELECT verdict FROM verdicts WHERE id = :id

-- versions --
-- Every registered version of every model, whatever the project was called then.
SELECT model, number, digest, verdict, run FROM versions ORDER BY model, number
