-- insert_label --
INSERT INTO labels (prediction_id, value, at, revision, first_value, confirmed_at, arrived_at, first_arrived_at, source)
VALUES (:prediction_id, :value, :at, 0, :value, :at, :arrived_at, :arrived_at, :source)
ON CONFLICT (prediction_id) DO NOTHING

-- label --
SELECT prediction_id, value, at, revision, first_value, confirmed_at, source FROM labels
WHERE prediction_id = :prediction_id

-- correct_label --
UPDATE labels SET value = :value, at = :at, revision = :revision, confirmed_at = :at, arrived_at = :arrived_at,
    source = :source
WHERE prediction_id = :prediction_id

-- confirm_label --
UPDATE labels SET confirmed_at = :at WHERE prediction_id = :prediction_id AND confirmed_at < :at

-- insert_revision --
INSERT INTO label_revisions (prediction_id, revision, value, at, arrived_at, source)
VALUES (:prediction_id, :revision, :value, :at, :arrived_at, :source)

-- revisions --
SELECT revision, value, at FROM label_revisions WHERE prediction_id = :prediction_id ORDER BY revision

-- labels_between --
SELECT prediction_id, value, at, revision, confirmed_at, arrived_at, first_arrived_at FROM labels
WHERE prediction_id >= :first AND prediction_id <= :last ORDER BY prediction_id

-- arrived_between --
SELECT COUNT(*) AS labels, COALESCE(SUM(CASE WHEN revision > 0 THEN 1 ELSE 0 END), 0) AS corrections FROM labels
WHERE prediction_id >= :first AND prediction_id <= :last AND arrived_at > :since AND arrived_at <= :until

-- count_labels --
SELECT COUNT(*) AS labels FROM labels

-- orphan --
INSERT INTO orphans (field, name, value, at, arrived_at, source)
VALUES (:field, :name, :value, :at, :arrived_at, :source)
ON CONFLICT (field, name) DO UPDATE SET value = excluded.value, at = excluded.at, arrived_at = excluded.arrived_at,
    source = excluded.source
WHERE orphans.at <= excluded.at AND (orphans.at < excluded.at OR orphans.value <> excluded.value)

-- orphans --
SELECT field, name, value, at, arrived_at, source FROM orphans ORDER BY field, name

-- adopt --
DELETE FROM orphans WHERE field = :field AND name = :name AND at <= :at

-- forget_orphans --
DELETE FROM orphans WHERE arrived_at < :before

-- count_orphans --
SELECT COUNT(*) AS orphans FROM orphans

-- label_source --
SELECT looked_at, read_at, version, fault, failing_since FROM label_sources WHERE name = :name

-- save_label_source --
INSERT INTO label_sources (name, looked_at, read_at, version, fault, failing_since)
VALUES (:name, :looked_at, :read_at, :version, :fault, :failing_since)
ON CONFLICT (name) DO UPDATE SET looked_at = excluded.looked_at, read_at = excluded.read_at, version = excluded.version,
    fault = excluded.fault, failing_since = excluded.failing_since

-- ask --
INSERT INTO audits (prediction_id, asked_at) VALUES (:prediction_id, :asked_at) ON CONFLICT (prediction_id) DO NOTHING

-- asked --
SELECT prediction_id, asked_at FROM audits
WHERE NOT EXISTS (SELECT 1 FROM labels WHERE labels.prediction_id = audits.prediction_id)
ORDER BY asked_at DESC, prediction_id

-- last_asked --
SELECT MAX(asked_at) AS at FROM audits

-- enrol_taker --
INSERT INTO log_takers (taker, seen) VALUES (:taker, :seen) ON CONFLICT (taker) DO UPDATE SET seen = excluded.seen

-- others_take --
SELECT COUNT(*) AS takers FROM log_takers WHERE taker <> :host

-- sender --
SELECT number, until, positions FROM log_senders WHERE host = :host

-- senders --
SELECT host, number, until FROM log_senders ORDER BY host

-- save_sender --
INSERT INTO log_senders (host, number, until, positions) VALUES (:host, :number, :until, :positions)
ON CONFLICT (host) DO UPDATE SET
    number = excluded.number, until = excluded.until, positions = excluded.positions

-- waiting_bytes --
-- What is set aside holds up nobody.
SELECT COALESCE(SUM(p.bytes), 0) AS bytes FROM log_parcels p
WHERE p.host = :host
  AND NOT EXISTS (SELECT 1 FROM log_parcels_aside a WHERE a.host = p.host AND a.number = p.number)

-- add_parcel --
INSERT INTO log_parcels (host, number, digest, bytes, mac, since, until)
VALUES (:host, :number, :digest, :bytes, :mac, :since, :until)

-- parcels_for --
-- What somebody has not taken yet, in the order in which each host sent it.
SELECT p.host, p.number, p.digest, p.bytes, p.mac, p.since, p.until FROM log_parcels p
LEFT JOIN log_taken k ON k.taker = :taker AND k.host = p.host
WHERE p.host <> :taker AND p.number > COALESCE(k.number, 0)
ORDER BY p.host, p.number

-- taken --
SELECT host, number FROM log_taken WHERE taker = :taker

-- mark_taken --
INSERT INTO log_taken (taker, host, number) VALUES (:taker, :host, :number)
ON CONFLICT (taker, host) DO UPDATE SET number = excluded.number

-- delivered --
-- What everybody who needs it has taken, and nobody has set aside.
SELECT p.host, p.number, p.digest, p.bytes, p.mac, p.since, p.until FROM log_parcels p
WHERE NOT EXISTS (
    SELECT 1 FROM log_takers t WHERE t.taker <> p.host AND NOT EXISTS (
        SELECT 1 FROM log_taken k WHERE k.taker = t.taker AND k.host = p.host AND k.number >= p.number
    )
)
AND NOT EXISTS (SELECT 1 FROM log_parcels_aside a WHERE a.host = p.host AND a.number = p.number)
ORDER BY p.host, p.number

-- parcels_before --
SELECT host, number, digest, bytes, mac, since, until FROM log_parcels WHERE until < :before ORDER BY host, number

-- remove_parcel --
DELETE FROM log_parcels WHERE host = :host AND number = :number

-- set_parcel_aside --
INSERT INTO log_parcels_aside (taker, host, number, name, why, at, again_at)
VALUES (:taker, :host, :number, :name, :why, :at, :again_at)
ON CONFLICT (taker, host, number) DO UPDATE SET why = excluded.why, again_at = excluded.again_at

-- parcels_aside --
SELECT a.taker, a.name, a.why, a.at, a.again_at,
    p.host, p.number, p.digest, p.bytes, p.mac, p.since, p.until
FROM log_parcels_aside a JOIN log_parcels p ON p.host = a.host AND p.number = a.number
WHERE (CAST(:taker AS TEXT) IS NULL OR a.taker = :taker)
ORDER BY a.host, a.number, a.taker

-- try_parcels_again --
UPDATE log_parcels_aside SET again_at = :at

-- forget_aside --
DELETE FROM log_parcels_aside WHERE taker = :taker AND host = :host AND number = :number

-- forget_asides_of --
DELETE FROM log_parcels_aside WHERE host = :host AND number = :number

-- forget_takers --
DELETE FROM log_takers WHERE seen < :before

-- set_aside --
INSERT INTO labels_aside (source, place, why, message, at) VALUES (:source, :place, :why, :message, :at)
ON CONFLICT (source, place) DO NOTHING

-- asides --
SELECT source, place, why, message, at FROM labels_aside ORDER BY at DESC, source, place LIMIT :most

-- forget_asides --
DELETE FROM labels_aside WHERE at < :before
