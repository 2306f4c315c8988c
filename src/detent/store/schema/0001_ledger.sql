-- Append-only: rows are never updated or deleted by the product, and `detent verify` finds out if somebody did.
CREATE TABLE ledger (
    seq BIGINT PRIMARY KEY,
    time TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    actor TEXT NOT NULL,
    payload TEXT NOT NULL,
    observed TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX ledger_kind ON ledger (kind, seq);
CREATE INDEX ledger_subject ON ledger (subject, seq);
CREATE INDEX ledger_time ON ledger (time);
