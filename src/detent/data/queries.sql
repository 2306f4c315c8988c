-- save --
-- Saving the same cut again changes nothing.
INSERT INTO snapshots (seq, id, dataset, source, as_of, row_count, columns, parts, created)
SELECT COALESCE(MAX(seq), 0) + 1, :id, :dataset, :source, :as_of, :row_count, :columns, :parts, :created
FROM snapshots WHERE TRUE
ON CONFLICT (dataset, id, as_of) DO NOTHING

-- by_id --
SELECT * FROM snapshots WHERE id = :id ORDER BY seq DESC

-- by_dataset --
SELECT * FROM snapshots WHERE dataset = :dataset ORDER BY seq DESC
