-- save --
-- The same verdict twice is one verdict: the first stays.
INSERT INTO verdicts (id, model, decision, model_digest, judged_at, saved_at, verdict)
VALUES (:id, :model, :decision, :model_digest, :judged_at, :saved_at, :verdict)
ON CONFLICT (id) DO NOTHING

-- load --
SELECT verdict FROM verdicts WHERE id = :id

-- history --
SELECT verdict FROM verdicts WHERE model = :model ORDER BY judged_at DESC, id
