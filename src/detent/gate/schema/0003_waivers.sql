-- Exceptions that people answer for; the signed record is the truth, the columns find it.
CREATE TABLE waivers (
    id TEXT PRIMARY KEY,
    model TEXT NOT NULL,
    bundle TEXT NOT NULL,
    expires TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('granted', 'used', 'expired')),
    verdict TEXT,
    waiver TEXT NOT NULL
);
CREATE INDEX waivers_model ON waivers (model, expires);
