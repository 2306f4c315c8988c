-- When a delivery is tried next, until when somebody holds it, since when it fails, and when nobody tried any more.
ALTER TABLE notifications ADD COLUMN next_at TEXT NOT NULL DEFAULT '';
ALTER TABLE notifications ADD COLUMN claimed_until TEXT NOT NULL DEFAULT '';
ALTER TABLE notifications ADD COLUMN failing_since TEXT;
ALTER TABLE notifications ADD COLUMN given_up_at TEXT;
ALTER TABLE alerts ADD COLUMN labels TEXT NOT NULL DEFAULT '[]';
-- The severity that people know of, and looks in a row that were calmer than the episode. So far each was told.
ALTER TABLE episodes ADD COLUMN told TEXT NOT NULL DEFAULT '';
ALTER TABLE episodes ADD COLUMN calmer BIGINT NOT NULL DEFAULT 0;
UPDATE episodes SET told = severity;
