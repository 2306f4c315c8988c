-- How far each sink of lineage has been told. `runs` and `ledger` are numbers up to which everything was told.
CREATE TABLE lineage_sinks (
    sink TEXT PRIMARY KEY,
    runs BIGINT NOT NULL,
    ledger BIGINT NOT NULL,
    told BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    error TEXT NOT NULL,
    retry_at TEXT NOT NULL
);
-- What was told of runs behind that number, because an earlier one goes on. `event` is '*' when the whole run was told.
CREATE TABLE lineage_told (
    sink TEXT NOT NULL,
    seq BIGINT NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (sink, seq, event)
);
