-- Messages of a stream that are no labels, each with its place.
CREATE TABLE labels_aside (
    source TEXT NOT NULL,
    place TEXT NOT NULL,
    why TEXT NOT NULL,
    message TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (source, place)
);
