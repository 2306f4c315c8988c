-- save_finding --
INSERT INTO findings (endpoint, version, found_at, kind, severity, column_name, statistic, value, low, high, threshold,
    row_count, window_start, window_end, message, scale, p_value, importance, slice, severe, since, score_shift)
VALUES (:endpoint, :version, :found_at, :kind, :severity, :column, :statistic, :value, :low, :high, :threshold,
    :rows, :window_start, :window_end, :message, :scale, :p_value, :importance, :slice, :severe, :since, :score_shift)

-- findings --
SELECT kind, severity, column_name AS "column", statistic, value, low, high, threshold, row_count AS "rows",
    window_start, window_end, message, version, scale, p_value, importance, slice, severe, since, score_shift
FROM findings
WHERE endpoint = :endpoint
  AND (CAST(:kind AS TEXT) IS NULL OR kind = :kind)
  AND (CAST(:since AS TEXT) IS NULL OR window_end > :since)
ORDER BY window_end, found_at, kind, COALESCE(column_name, ''), statistic

-- save_episode --
INSERT INTO episodes (endpoint, episode_key, severity, opened_at, last_seen, clean_windows, state, told, calmer)
VALUES (:endpoint, :key, :severity, :opened_at, :last_seen, :clean_windows, :state, :told, :calmer)
ON CONFLICT (endpoint, episode_key, opened_at) DO UPDATE SET
    severity = excluded.severity, last_seen = excluded.last_seen, clean_windows = excluded.clean_windows,
    state = excluded.state, told = excluded.told, calmer = excluded.calmer

-- open_episodes --
SELECT episode_key AS "key", severity, opened_at, last_seen, clean_windows, state, told, calmer
FROM episodes WHERE endpoint = :endpoint AND state = 'open' ORDER BY episode_key

-- all_episodes --
SELECT episode_key AS "key", severity, opened_at, last_seen, clean_windows, state, told, calmer
FROM episodes WHERE endpoint = :endpoint ORDER BY opened_at, episode_key

-- alert --
SELECT id FROM alerts WHERE id = :id

-- alerts --
SELECT id, alert_key AS "key", severity, title, body AS "text", opened_at, raised_at AS "at", rise, labels
FROM alerts WHERE endpoint = :endpoint ORDER BY raised_at, id

-- last_alert --
SELECT MAX(raised_at) AS raised_at FROM alerts WHERE endpoint = :endpoint AND alert_key = :key

-- save_alert --
INSERT INTO alerts (id, endpoint, alert_key, severity, title, body, opened_at, raised_at, rise, labels)
VALUES (:id, :endpoint, :key, :severity, :title, :text, :opened_at, :at, :rise, :labels)

-- queue --
INSERT INTO notifications (alert, channel, attempts, error, delivered_at) VALUES (:id, :channel, 0, '', NULL)

-- pending --
SELECT alerts.id, alerts.endpoint, notifications.channel, notifications.attempts, notifications.error,
    notifications.next_at, notifications.claimed_until, notifications.failing_since, alerts.alert_key AS "key",
    alerts.severity, alerts.title, alerts.body AS "text", alerts.opened_at, alerts.raised_at AS "at", alerts.rise,
    alerts.labels
FROM notifications JOIN alerts ON alerts.id = notifications.alert
WHERE notifications.delivered_at IS NULL AND notifications.given_up_at IS NULL
ORDER BY alerts.raised_at, alerts.id, notifications.channel

-- claim --
UPDATE notifications SET claimed_until = :until
WHERE alert = :id AND channel = :channel AND delivered_at IS NULL AND given_up_at IS NULL AND claimed_until = :seen

-- delivered --
UPDATE notifications SET delivered_at = :at, attempts = attempts + 1, error = '', claimed_until = ''
WHERE alert = :id AND channel = :channel AND delivered_at IS NULL

-- failed --
UPDATE notifications SET attempts = attempts + 1, error = :error, next_at = :next_at, claimed_until = '',
    failing_since = COALESCE(failing_since, :at)
WHERE alert = :id AND channel = :channel AND delivered_at IS NULL AND claimed_until = :claimed

-- hold --
UPDATE notifications SET next_at = :next_at
WHERE channel = :channel AND delivered_at IS NULL AND given_up_at IS NULL AND next_at < :next_at

-- wake --
UPDATE notifications SET next_at = ''
WHERE channel = :channel AND delivered_at IS NULL AND given_up_at IS NULL AND next_at <> ''

-- give_up --
UPDATE notifications SET given_up_at = :at
WHERE alert = :id AND channel = :channel AND delivered_at IS NULL AND given_up_at IS NULL

-- given_up --
SELECT alert AS "id", channel, attempts, error, given_up_at FROM notifications
WHERE given_up_at IS NOT NULL ORDER BY given_up_at, alert, channel

-- monitor_state --
SELECT until, state FROM monitor_states WHERE endpoint = :endpoint AND version = :version AND name = :name

-- save_monitor_state --
INSERT INTO monitor_states (endpoint, version, name, until, state)
VALUES (:endpoint, :version, :name, :until, :state)
ON CONFLICT (endpoint, version, name) DO UPDATE SET until = excluded.until, state = excluded.state
