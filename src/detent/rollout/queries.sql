-- open_rollout --
INSERT INTO rollouts (id, model, endpoint, candidate, champion, stage, stage_since, started_at, state, reason)
VALUES (:id, :model, :endpoint, :candidate, :champion, :stage, :stage_since, :started_at, :state, :reason)

-- count_rollouts --
SELECT COUNT(*) AS rollouts FROM rollouts WHERE endpoint = :endpoint

-- running_rollout --
SELECT id, model, endpoint, candidate, champion, stage, stage_since, started_at, state, reason
FROM rollouts WHERE endpoint = :endpoint AND state = 'running'

-- rollout --
SELECT id, model, endpoint, candidate, champion, stage, stage_since, started_at, state, reason
FROM rollouts WHERE id = :id

-- history --
SELECT id, model, endpoint, candidate, champion, stage, stage_since, started_at, state, reason
FROM rollouts WHERE endpoint = :endpoint ORDER BY started_at, LENGTH(id), id

-- move_rollout --
-- Only from the stage that the decision was taken about: a second controller changes nothing.
UPDATE rollouts SET stage = :stage, stage_since = :stage_since, state = :state, reason = :reason
WHERE id = :id AND state = 'running' AND stage = :from_stage

-- save_tally --
INSERT INTO rollout_tallies
    (rollout, stage, weight, candidate_requests, candidate_errors, champion_requests, champion_errors)
VALUES (:rollout, :stage, :weight, :candidate_requests, :candidate_errors, :champion_requests, :champion_errors)
ON CONFLICT (rollout, stage) DO UPDATE SET
    weight = excluded.weight,
    candidate_requests = excluded.candidate_requests, candidate_errors = excluded.candidate_errors,
    champion_requests = excluded.champion_requests, champion_errors = excluded.champion_errors

-- tallies --
SELECT weight, candidate_requests, candidate_errors, champion_requests, champion_errors
FROM rollout_tallies WHERE rollout = :rollout ORDER BY stage

-- save_decision --
INSERT INTO rollout_decisions
    (rollout, number, at, actor, stage, stage_since, stage_requests, tallies, shadow, action, reason, evidence)
SELECT :rollout, 1 + COUNT(*), :at, :actor, :stage, :stage_since, :stage_requests, :tallies, :shadow, :action, :reason,
    :evidence
FROM rollout_decisions WHERE rollout = :rollout

-- decisions --
SELECT at, actor, stage, stage_since, stage_requests, tallies, shadow, action, reason, evidence
FROM rollout_decisions WHERE rollout = :rollout ORDER BY number
