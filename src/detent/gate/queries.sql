-- save --
-- The same verdict twice is one verdict: the first stays.
INSERT INTO verdicts (id, model, decision, model_digest, judged_at, saved_at, verdict)
VALUES (:id, :model, :decision, :model_digest, :judged_at, :saved_at, :verdict)
ON CONFLICT (id) DO NOTHING

-- load --
SELECT verdict FROM verdicts WHERE id = :id

-- history --
SELECT verdict FROM verdicts WHERE model = :model ORDER BY judged_at DESC, id

-- rank --
SELECT rank FROM holdouts WHERE model = :model AND data_digest = :data_digest AND model_digest = :model_digest

-- judged_on --
SELECT COUNT(*) AS bundles FROM holdouts WHERE model = :model AND data_digest = :data_digest

-- take_rank --
INSERT INTO holdouts (model, data_digest, model_digest, rank)
VALUES (:model, :data_digest, :model_digest, :rank)
