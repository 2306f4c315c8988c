-- Versions are written once. Aliases are a log: the newest row of an alias is what it points to (number NULL: to nothing).
CREATE TABLE versions (
    model TEXT NOT NULL,
    number BIGINT NOT NULL,
    digest TEXT NOT NULL,
    verdict TEXT NOT NULL,
    run TEXT NOT NULL,
    origin TEXT NOT NULL,
    registered_at TEXT NOT NULL,
    PRIMARY KEY (model, number),
    UNIQUE (model, digest)
);
CREATE TABLE alias_changes (
    model TEXT NOT NULL,
    seq BIGINT NOT NULL,
    alias TEXT NOT NULL,
    number BIGINT,
    at TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (model, seq),
    FOREIGN KEY (model, number) REFERENCES versions (model, number)
);
CREATE INDEX alias_changes_alias ON alias_changes (model, alias, seq);
