-- Parcels that somebody could not take: they are kept, and tried again.
CREATE TABLE log_parcels_aside (
    taker TEXT NOT NULL,
    host TEXT NOT NULL,
    number BIGINT NOT NULL,
    name TEXT NOT NULL,
    why TEXT NOT NULL,
    at TEXT NOT NULL,
    again_at TEXT NOT NULL,
    PRIMARY KEY (taker, host, number)
);
