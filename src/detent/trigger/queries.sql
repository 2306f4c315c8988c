-- state --
SELECT last_cron_check, refused_in_a_row, labelled_at_training FROM trigger_states WHERE model = :model

-- save_state --
INSERT INTO trigger_states (model, last_cron_check, refused_in_a_row, labelled_at_training)
VALUES (:model, :last_cron_check, :refused_in_a_row, :labelled_at_training)
ON CONFLICT (model) DO UPDATE SET
    last_cron_check = excluded.last_cron_check, refused_in_a_row = excluded.refused_in_a_row,
    labelled_at_training = excluded.labelled_at_training

-- last_training --
SELECT started_at FROM trigger_trainings WHERE model = :model ORDER BY started_at DESC LIMIT 1

-- trainings_since --
SELECT started_at FROM trigger_trainings WHERE model = :model AND started_at > :since ORDER BY started_at

-- save_training --
INSERT INTO trigger_trainings (model, run, started_at, reason) VALUES (:model, :run, :started_at, :reason)

-- last_decision --
SELECT number, action, reason FROM trigger_decisions WHERE model = :model ORDER BY number DESC LIMIT 1

-- save_decision --
INSERT INTO trigger_decisions (model, number, at, action, reason) VALUES (:model, :number, :at, :action, :reason)

-- decisions --
SELECT at, action, reason FROM trigger_decisions WHERE model = :model ORDER BY number
