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

-- insert_commit --
INSERT INTO data_commits
    (seq, dataset, manifest, parent, message, author, created, source, files, bytes, row_count, columns)
SELECT COALESCE(MAX(seq), 0) + 1, :dataset, :manifest, :parent, :message, :author, :created, :source, :files, :bytes,
    CAST(:row_count AS BIGINT), :columns
FROM data_commits

-- commits --
SELECT * FROM data_commits WHERE dataset = :dataset ORDER BY seq

-- cuts --
SELECT * FROM snapshots WHERE dataset = :dataset ORDER BY seq

-- datasets --
SELECT dataset FROM data_commits UNION SELECT dataset FROM snapshots ORDER BY dataset

-- insert_tag --
INSERT INTO data_tags (seq, dataset, tag, version, actor, at)
SELECT COALESCE(MAX(seq), 0) + 1, :dataset, :tag, CAST(:version AS TEXT), :actor, :at FROM data_tags

-- tags --
SELECT tag, version FROM data_tags AS change WHERE dataset = :dataset AND version IS NOT NULL AND seq = (
    SELECT MAX(seq) FROM data_tags AS other WHERE other.dataset = change.dataset AND other.tag = change.tag
)
ORDER BY tag

-- tombstones --
SELECT digest, bytes, at FROM data_tombstones

-- bury --
INSERT INTO data_tombstones (digest, bytes, at) VALUES (:digest, :bytes, :at) ON CONFLICT (digest) DO NOTHING

-- unbury --
DELETE FROM data_tombstones WHERE digest = :digest

-- save_check --
INSERT INTO checks (seq, dataset, snapshot, last, outcome, results, expectations, checked)
SELECT COALESCE(MAX(seq), 0) + 1, :dataset, :snapshot, :last, :outcome, :results, :expectations, :checked FROM checks

-- last_good --
-- The newest snapshot that broke no promise of severity "fail", other than the one that is judged now.
SELECT snapshot FROM checks WHERE dataset = :dataset AND outcome <> 'fail' AND snapshot <> :other
ORDER BY seq DESC LIMIT 1

-- checks_of --
SELECT * FROM checks WHERE dataset = :dataset ORDER BY seq DESC

-- source_state --
SELECT * FROM sources WHERE dataset = :dataset

-- save_source --
INSERT INTO sources (dataset, origin, source, version, snapshot, columns, parts, row_count, asked, read_at)
VALUES (:dataset, :origin, :source, :version, :snapshot, :columns, :parts, :row_count, :asked, :read_at)
ON CONFLICT (dataset) DO UPDATE SET origin = excluded.origin, source = excluded.source, version = excluded.version,
    snapshot = excluded.snapshot, columns = excluded.columns, parts = excluded.parts, row_count = excluded.row_count,
    asked = excluded.asked, read_at = excluded.read_at
