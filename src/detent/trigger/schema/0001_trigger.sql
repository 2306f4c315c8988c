CREATE TABLE trigger_states (
    model TEXT PRIMARY KEY,
    last_cron_check TEXT,
    refused_in_a_row BIGINT NOT NULL,
    labelled_at_training BIGINT NOT NULL
);
-- Append-only: starts of trainings, for cool-down and budget.
CREATE TABLE trigger_trainings (
    model TEXT NOT NULL,
    run TEXT NOT NULL,
    started_at TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (model, run)
);
CREATE TABLE trigger_decisions (
    model TEXT NOT NULL,
    number BIGINT NOT NULL,
    at TEXT NOT NULL,
    action TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (model, number)
);
