-- What whoever follows a version's answers remembers.
CREATE TABLE monitor_states (
    endpoint TEXT NOT NULL,
    version BIGINT NOT NULL,
    name TEXT NOT NULL,
    until TEXT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (endpoint, version, name)
);
