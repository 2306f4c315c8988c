-- save --
-- The same verdict twice is one verdict: the first stays.
INSERT INTO verdicts (id, model, decision, model_digest, judged_at, saved_at, verdict)
VALUES (:id, :model, :decision, :model_digest, :judged_at, :saved_at, :verdict)
ON CONFLICT (id) DO NOTHING

-- load --
SELECT verdict FROM verdicts WHERE id = :id

-- find --
SELECT verdict FROM verdicts WHERE model = :model AND id LIKE :beginning ORDER BY judged_at DESC, id

-- history --
SELECT verdict FROM verdicts WHERE model = :model ORDER BY judged_at DESC, id

-- rank --
SELECT rank FROM holdouts WHERE model = :model AND data_digest = :data_digest AND model_digest = :model_digest

-- judged_on --
SELECT COUNT(*) AS bundles FROM holdouts WHERE model = :model AND data_digest = :data_digest

-- take_rank --
INSERT INTO holdouts (model, data_digest, model_digest, rank)
VALUES (:model, :data_digest, :model_digest, :rank)

-- save_waiver --
INSERT INTO waivers (id, model, bundle, expires, state, verdict, waiver)
VALUES (:id, :model, :bundle, :expires, 'granted', NULL, :waiver)

-- waivers --
SELECT id, state, verdict, waiver FROM waivers WHERE model = :model ORDER BY expires DESC, id

-- waivers_of_bundle --
SELECT id, state, verdict, waiver FROM waivers WHERE model = :model AND bundle = :bundle ORDER BY expires DESC, id

-- waivers_due --
SELECT id, state, verdict, waiver FROM waivers
WHERE model = :model AND expires <= :now AND state <> 'expired' ORDER BY expires, id

-- waiver_used --
UPDATE waivers SET state = 'used', verdict = :verdict
WHERE id = :id AND (verdict IS NULL OR verdict <> :verdict)

-- waiver_expired --
UPDATE waivers SET state = 'expired' WHERE id = :id AND state <> 'expired'
