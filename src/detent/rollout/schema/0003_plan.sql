-- The plan that a rollout began with: `detent.yaml` may change meanwhile. NULL: opened before this migration.
ALTER TABLE rollouts ADD COLUMN plan TEXT;
