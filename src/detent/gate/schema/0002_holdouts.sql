-- Which bundles were ever put before the gate on which evaluation rows, in their order: alpha is spent over them.
CREATE TABLE holdouts (
    model TEXT NOT NULL,
    data_digest TEXT NOT NULL,
    model_digest TEXT NOT NULL,
    rank INTEGER NOT NULL,
    PRIMARY KEY (model, data_digest, model_digest),
    UNIQUE (model, data_digest, rank)
);
