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
INSERT INTO episodes (endpoint, episode_key, severity, opened_at, last_seen, clean_windows, state)
VALUES (:endpoint, :key, :severity, :opened_at, :last_seen, :clean_windows, :state)
ON CONFLICT (endpoint, episode_key, opened_at) DO UPDATE SET
    severity = excluded.severity, last_seen = excluded.last_seen, clean_windows = excluded.clean_windows,
    state = excluded.state

-- open_episodes --
SELECT episode_key AS "key", severity, opened_at, last_seen, clean_windows, state
FROM episodes WHERE endpoint = :endpoint AND state = 'open' ORDER BY episode_key

-- all_episodes --
SELECT episode_key AS "key", severity, opened_at, last_seen, clean_windows, state
FROM episodes WHERE endpoint = :endpoint ORDER BY opened_at, episode_key

-- alert --
SELECT id FROM alerts WHERE id = :id

-- save_alert --
INSERT INTO alerts (id, endpoint, alert_key, severity, title, body, opened_at, raised_at, rise)
VALUES (:id, :endpoint, :key, :severity, :title, :text, :opened_at, :at, :rise)

-- queue --
INSERT INTO notifications (alert, channel, attempts, error, delivered_at) VALUES (:id, :channel, 0, '', NULL)

-- pending --
SELECT alerts.id, notifications.channel, notifications.attempts, notifications.error, alerts.alert_key AS "key",
    alerts.severity, alerts.title, alerts.body AS "text", alerts.opened_at, alerts.raised_at AS "at", alerts.rise
FROM notifications JOIN alerts ON alerts.id = notifications.alert
WHERE notifications.delivered_at IS NULL AND notifications.attempts < :most_attempts
ORDER BY alerts.raised_at, alerts.id, notifications.channel

-- delivered --
UPDATE notifications SET delivered_at = :at, attempts = attempts + 1, error = '' WHERE alert = :id AND channel = :channel

-- failed --
UPDATE notifications SET attempts = attempts + 1, error = :error WHERE alert = :id AND channel = :channel
