-- Who needs what other hosts answer: hosts with a controller, each with what it has taken of every other host.
CREATE TABLE log_takers (
    taker TEXT NOT NULL PRIMARY KEY,
    seen TEXT NOT NULL
);
CREATE TABLE log_taken (
    taker TEXT NOT NULL,
    host TEXT NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (taker, host)
);
-- How far each host has sent its log: `positions` says how much of each file, `until` up to which moment of its clock.
CREATE TABLE log_senders (
    host TEXT NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL,
    until TEXT NOT NULL,
    positions TEXT NOT NULL
);
-- What was sent and is not yet with everybody who needs it; the bytes are a blob.
CREATE TABLE log_parcels (
    host TEXT NOT NULL,
    number BIGINT NOT NULL,
    digest TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    mac TEXT NOT NULL,
    since TEXT NOT NULL,
    until TEXT NOT NULL,
    PRIMARY KEY (host, number)
);
