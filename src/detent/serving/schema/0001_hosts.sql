-- What every host follows: the route in force at an endpoint, or the one with more versions to load before it changes.
CREATE TABLE published_routes (
    endpoint TEXT PRIMARY KEY,
    seq BIGINT NOT NULL,
    route TEXT NOT NULL,
    signatures TEXT NOT NULL,
    ids TEXT NOT NULL
);
-- Who follows. `beat` grows while a host lives; `seq` is the published route whose versions it has tried to load.
CREATE TABLE serving_hosts (
    host TEXT PRIMARY KEY,
    number BIGINT NOT NULL,
    name TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    state TEXT NOT NULL,
    seq BIGINT NOT NULL,
    beat BIGINT NOT NULL,
    refused TEXT NOT NULL,
    seen TEXT NOT NULL
);
CREATE UNIQUE INDEX serving_hosts_number ON serving_hosts (number);
