-- Digests of files outside the store, so that files which look the same need not be read again. Only a shortcut: every
-- row may be dropped at any time.
CREATE TABLE file_digests (
    file TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    digest TEXT NOT NULL,
    hashed_at BIGINT NOT NULL
);
