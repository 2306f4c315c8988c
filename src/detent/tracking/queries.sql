-- sink --
SELECT sink, runs, ledger, told, refused, failures, error, retry_at FROM lineage_sinks WHERE sink = :sink

-- sinks --
SELECT sink, runs, ledger, told, refused, failures, error, retry_at FROM lineage_sinks ORDER BY sink

-- save_sink --
INSERT INTO lineage_sinks (sink, runs, ledger, told, refused, failures, error, retry_at)
VALUES (:sink, :runs, :ledger, :told, :refused, :failures, :error, :retry_at)
ON CONFLICT (sink) DO UPDATE SET runs = excluded.runs, ledger = excluded.ledger, told = excluded.told,
    refused = excluded.refused, failures = excluded.failures, error = excluded.error, retry_at = excluded.retry_at

-- told --
SELECT seq, event FROM lineage_told WHERE sink = :sink

-- save_told --
INSERT INTO lineage_told (sink, seq, event) VALUES (:sink, :seq, :event) ON CONFLICT (sink, seq, event) DO NOTHING

-- forget_told --
DELETE FROM lineage_told WHERE sink = :sink AND seq <= :seq

-- forget_events --
DELETE FROM lineage_told WHERE sink = :sink AND seq = :seq AND event <> '*'
