-- state --
SELECT last_cron_check, refused_in_a_row, labelled_at_training, last_challenge, quarantined_since, quarantined_for, cause,
    refused_in_episode, asked, answer, training_for, going_back
FROM trigger_states WHERE model = :model

-- save_state --
INSERT INTO trigger_states (model, last_cron_check, refused_in_a_row, labelled_at_training, last_challenge,
    quarantined_since, quarantined_for, cause, refused_in_episode, asked, answer, training_for, going_back)
VALUES (:model, :last_cron_check, :refused_in_a_row, :labelled_at_training, :last_challenge,
    :quarantined_since, :quarantined_for, :cause, :refused_in_episode, :asked, :answer, :training_for, :going_back)
ON CONFLICT (model) DO UPDATE SET
    last_cron_check = excluded.last_cron_check, refused_in_a_row = excluded.refused_in_a_row,
    labelled_at_training = excluded.labelled_at_training, last_challenge = excluded.last_challenge,
    quarantined_since = excluded.quarantined_since, quarantined_for = excluded.quarantined_for, cause = excluded.cause,
    refused_in_episode = excluded.refused_in_episode, asked = excluded.asked, answer = excluded.answer,
    training_for = excluded.training_for, going_back = excluded.going_back

-- last_training --
SELECT started_at FROM trigger_trainings WHERE model = :model ORDER BY started_at DESC LIMIT 1

-- trainings_since --
SELECT run, started_at FROM trigger_trainings WHERE model = :model AND started_at > :since ORDER BY started_at, run

-- save_training --
INSERT INTO trigger_trainings (model, run, started_at, reason) VALUES (:model, :run, :started_at, :reason)

-- last_decision --
SELECT number, action, reason FROM trigger_decisions WHERE model = :model ORDER BY number DESC LIMIT 1

-- last_training_decision --
SELECT number, action FROM trigger_decisions WHERE model = :model AND action IN ('retrain', 'challenge')
ORDER BY number DESC LIMIT 1

-- last_going_back --
SELECT number FROM trigger_decisions WHERE model = :model AND (action = 'roll_back' OR fall_back = 1)
ORDER BY number DESC LIMIT 1

-- save_decision --
INSERT INTO trigger_decisions (model, number, at, action, reason, rule, cause, fall_back, evidence, inputs)
VALUES (:model, :number, :at, :action, :reason, :rule, :cause, :fall_back, :evidence, :inputs)

-- decisions --
SELECT number, at, action, reason, rule, cause, fall_back, evidence, inputs
FROM trigger_decisions WHERE model = :model ORDER BY number

-- decision --
SELECT number, at, action, reason, rule, cause, fall_back, evidence, inputs
FROM trigger_decisions WHERE model = :model AND number = :number

-- webhook --
SELECT name, model FROM trigger_webhooks WHERE name = :name

-- webhooks --
SELECT name FROM trigger_webhooks ORDER BY name

-- webhooks_of --
SELECT name FROM trigger_webhooks WHERE model = :model ORDER BY name

-- save_webhook --
INSERT INTO trigger_webhooks (name, model) VALUES (:name, :model) ON CONFLICT (name) DO UPDATE SET model = excluded.model

-- forget_webhooks --
DELETE FROM trigger_webhooks WHERE model = :model

-- call --
SELECT id, body FROM trigger_calls WHERE name = :name AND call_key = :key

-- count_calls --
SELECT COUNT(*) AS calls FROM trigger_calls WHERE name = :name

-- save_call --
INSERT INTO trigger_calls (name, call_key, id, model, body, caller, at, decision)
VALUES (:name, :key, :id, :model, :body, :caller, :at, NULL)
ON CONFLICT (name, call_key) DO NOTHING

-- waiting_calls --
SELECT id, name, at, caller FROM trigger_calls WHERE model = :model AND decision IS NULL ORDER BY at, id

-- settle_call --
UPDATE trigger_calls SET decision = :decision WHERE model = :model AND id = :id AND decision IS NULL

-- flight --
SELECT holder, token, until FROM trigger_flights WHERE model = :model

-- take_flight --
-- Only a row that nobody holds, or whose lease ran out, changes hands; its token then grows.
INSERT INTO trigger_flights (model, holder, token, until) VALUES (:model, :holder, 1, :until)
ON CONFLICT (model) DO UPDATE SET
    holder = excluded.holder, token = trigger_flights.token + 1, until = excluded.until
WHERE trigger_flights.holder = '' OR trigger_flights.until <= :now

-- hold_flight --
UPDATE trigger_flights SET until = :until WHERE model = :model AND token = :token AND holder <> ''

-- end_flight --
-- The row stays, so that the next holder's token is a higher one.
UPDATE trigger_flights SET holder = '', until = '' WHERE model = :model AND token = :token
