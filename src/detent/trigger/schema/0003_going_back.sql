-- The version that a decision takes the traffic from, until that has been done or has turned out to be impossible.
ALTER TABLE trigger_states ADD COLUMN going_back INTEGER;
