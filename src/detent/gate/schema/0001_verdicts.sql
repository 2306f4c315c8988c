-- Every verdict ever given, passing or not; never updated.
CREATE TABLE verdicts (
    id TEXT PRIMARY KEY,
    model TEXT NOT NULL,
    decision TEXT NOT NULL,
    model_digest TEXT NOT NULL,
    judged_at TEXT NOT NULL,
    saved_at TEXT NOT NULL,
    verdict TEXT NOT NULL
);
CREATE INDEX verdicts_model ON verdicts (model, judged_at);
