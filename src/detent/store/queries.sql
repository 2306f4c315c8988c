-- last_event --
-- The newest event: its hash is what the next one is chained to.
SELECT seq, time, hash FROM ledger ORDER BY seq DESC LIMIT 1

-- append_event --
INSERT INTO ledger (seq, time, kind, subject, actor, payload, observed, previous, hash)
VALUES (:seq, :time, :kind, :subject, :actor, :payload, :observed, :previous, :hash)

-- events --
-- Events in order; a filter that is NULL lets everything through.
SELECT seq, time, kind, subject, actor, payload, observed, previous, hash FROM ledger
WHERE (CAST(:kind AS TEXT) IS NULL OR kind = :kind OR SUBSTR(kind, 1, LENGTH(:kind) + 1) = :kind || '.')
  AND (CAST(:subject AS TEXT) IS NULL OR subject = :subject)
  AND (CAST(:since AS TEXT) IS NULL OR time >= :since)
  AND (CAST(:until AS TEXT) IS NULL OR time <= :until)
  AND seq > :after
ORDER BY seq

-- last_about --
SELECT seq, time, kind, subject, actor, payload, observed, previous, hash FROM ledger
WHERE kind = :kind AND subject = :subject ORDER BY seq DESC LIMIT 1

-- last_seq --
SELECT COALESCE(MAX(seq), 0) AS seq FROM ledger WHERE kind = :kind

-- count_by_kind --
SELECT kind, COUNT(*) AS events FROM ledger GROUP BY kind ORDER BY kind

-- file_digest --
SELECT state, digest FROM file_digests WHERE file = :file

-- remember_file_digest --
INSERT INTO file_digests (file, state, digest, hashed_at) VALUES (:file, :state, :digest, :hashed_at)
ON CONFLICT (file) DO UPDATE SET state = excluded.state, digest = excluded.digest, hashed_at = excluded.hashed_at

-- forget_file_digests --
-- Inodes of files that were removed long ago.
DELETE FROM file_digests WHERE hashed_at < :before
