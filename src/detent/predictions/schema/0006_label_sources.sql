-- Since when a place that labels are fetched from can't be read; null while it can.
ALTER TABLE label_sources ADD COLUMN failing_since TEXT;
