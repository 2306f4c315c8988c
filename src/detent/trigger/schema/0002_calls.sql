ALTER TABLE trigger_states ADD COLUMN last_challenge TEXT;
ALTER TABLE trigger_states ADD COLUMN quarantined_since TEXT;
ALTER TABLE trigger_states ADD COLUMN quarantined_for TEXT NOT NULL DEFAULT '';
ALTER TABLE trigger_states ADD COLUMN cause TEXT NOT NULL DEFAULT '';
ALTER TABLE trigger_states ADD COLUMN refused_in_episode BIGINT NOT NULL DEFAULT 0;
ALTER TABLE trigger_states ADD COLUMN asked BIGINT;
ALTER TABLE trigger_states ADD COLUMN answer TEXT NOT NULL DEFAULT '';
ALTER TABLE trigger_states ADD COLUMN training_for TEXT NOT NULL DEFAULT '';
ALTER TABLE trigger_decisions ADD COLUMN rule TEXT NOT NULL DEFAULT '';
ALTER TABLE trigger_decisions ADD COLUMN cause TEXT NOT NULL DEFAULT '';
ALTER TABLE trigger_decisions ADD COLUMN fall_back BIGINT NOT NULL DEFAULT 0;
ALTER TABLE trigger_decisions ADD COLUMN evidence TEXT NOT NULL DEFAULT '[]';
ALTER TABLE trigger_decisions ADD COLUMN inputs TEXT NOT NULL DEFAULT '';
-- Names that may be called, as detent.yaml had them when the servers were started.
CREATE TABLE trigger_webhooks (
    name TEXT PRIMARY KEY,
    model TEXT NOT NULL
);
-- A call counts once, however often it is sent.
CREATE TABLE trigger_calls (
    name TEXT NOT NULL,
    call_key TEXT NOT NULL,
    id TEXT NOT NULL,
    model TEXT NOT NULL,
    body TEXT NOT NULL,
    caller TEXT NOT NULL,
    at TEXT NOT NULL,
    decision BIGINT,
    PRIMARY KEY (name, call_key)
);
CREATE INDEX trigger_calls_waiting ON trigger_calls (model, decision);
CREATE TABLE trigger_flights (
    model TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    token BIGINT NOT NULL,
    until TEXT NOT NULL
);
