-- open_rollout --
INSERT INTO rollouts
    (id, model, endpoint, candidate, champion, stage, stage_since, started_at, state, reason, kind, arms, slow, slower,
    plan)
VALUES (:id, :model, :endpoint, :candidate, :champion, :stage, :stage_since, :started_at, :state, :reason, :kind,
    :arms, :slow, :slower, :plan)

-- count_rollouts --
SELECT COUNT(*) AS rollouts FROM rollouts WHERE endpoint = :endpoint

-- running_rollout --
SELECT id, model, endpoint, candidate, champion, stage, stage_since, started_at, state, reason, kind, arms, slow, slower
FROM rollouts WHERE endpoint = :endpoint AND state = 'running'

-- rollout --
SELECT id, model, endpoint, candidate, champion, stage, stage_since, started_at, state, reason, kind, arms, slow, slower
FROM rollouts WHERE id = :id

-- plan --
SELECT plan FROM rollouts WHERE id = :id

-- history --
SELECT id, model, endpoint, candidate, champion, stage, stage_since, started_at, state, reason, kind, arms, slow, slower
FROM rollouts WHERE endpoint = :endpoint ORDER BY started_at, LENGTH(id), id

-- move_rollout --
-- Only from the stage that the decision was taken about: a second controller changes nothing.
UPDATE rollouts SET stage = :stage, stage_since = :stage_since, state = :state, reason = :reason, arms = :arms
WHERE id = :id AND state = 'running' AND stage = :from_stage AND stage_since = :from_since

-- freeze_limit --
UPDATE rollouts SET slower = :slower WHERE id = :id AND state = 'running' AND slower IS NULL

-- extend_rollout --
UPDATE rollouts SET stage_since = :stage_since, reason = :reason
WHERE id = :id AND state = 'running' AND stage_since = :from_since

-- save_look --
INSERT INTO rollout_looks (rollout, at, look, step) VALUES (:rollout, :at, :look, :step)
ON CONFLICT (rollout) DO UPDATE SET at = excluded.at, look = excluded.look, step = excluded.step

-- latest_look --
SELECT at, look, step FROM rollout_looks WHERE rollout = :rollout

-- save_decision --
INSERT INTO rollout_decisions
    (rollout, number, at, actor, stage, stage_since, stage_requests, tallies, action, reason, evidence, rollout_before,
     plan, look, step)
SELECT :rollout, 1 + COUNT(*), :at, :actor, :stage, :stage_since, 0, '[]', :action, :reason, :evidence,
    :rollout_before, :plan, :look, :step
FROM rollout_decisions WHERE rollout = :rollout

-- alarms_of_stage --
SELECT step FROM rollout_decisions
WHERE rollout = :rollout AND stage = :stage AND stage_since = :stage_since AND action = 'hold' AND step IS NOT NULL

-- decisions --
SELECT at, actor, action, reason, evidence, rollout_before, plan, look, step
FROM rollout_decisions WHERE rollout = :rollout ORDER BY number
