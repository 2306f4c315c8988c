-- Append-only.
CREATE TABLE findings (
    endpoint TEXT NOT NULL,
    version BIGINT,
    found_at TEXT NOT NULL,
    kind TEXT NOT NULL,
    severity TEXT NOT NULL,
    column_name TEXT,
    statistic TEXT NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    low DOUBLE PRECISION,
    high DOUBLE PRECISION,
    threshold DOUBLE PRECISION,
    row_count BIGINT NOT NULL,
    window_start TEXT NOT NULL,
    window_end TEXT NOT NULL,
    message TEXT NOT NULL
);
CREATE INDEX findings_window ON findings (endpoint, window_end);
CREATE TABLE episodes (
    endpoint TEXT NOT NULL,
    episode_key TEXT NOT NULL,
    severity TEXT NOT NULL,
    opened_at TEXT NOT NULL,
    last_seen TEXT NOT NULL,
    clean_windows BIGINT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (endpoint, episode_key, opened_at)
);
CREATE TABLE alerts (
    id TEXT PRIMARY KEY,
    endpoint TEXT NOT NULL,
    alert_key TEXT NOT NULL,
    severity TEXT NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    opened_at TEXT NOT NULL,
    raised_at TEXT NOT NULL,
    rise BIGINT NOT NULL
);
-- One row per alert and channel; delivered at least once.
CREATE TABLE notifications (
    alert TEXT NOT NULL REFERENCES alerts (id),
    channel TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    error TEXT NOT NULL,
    delivered_at TEXT,
    PRIMARY KEY (alert, channel)
);
