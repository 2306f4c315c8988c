-- published --
SELECT endpoint, seq, route, signatures, ids FROM published_routes WHERE endpoint = :endpoint

-- publish --
INSERT INTO published_routes (endpoint, seq, route, signatures, ids)
VALUES (:endpoint, :seq, :route, :signatures, :ids)
ON CONFLICT (endpoint) DO UPDATE SET
    seq = excluded.seq, route = excluded.route, signatures = excluded.signatures, ids = excluded.ids

-- hosts --
SELECT host, number, name, endpoint, state, seq, beat, refused, seen FROM serving_hosts
WHERE endpoint = :endpoint ORDER BY number

-- enrol_host --
-- A host that comes back keeps its number: ids of predictions are made of it.
INSERT INTO serving_hosts (host, number, name, endpoint, state, seq, beat, refused, seen)
VALUES (
    :host, (SELECT COALESCE(MAX(number), 0) + 1 FROM serving_hosts), :name, :endpoint, 'joining', 0, 1, '{}', :seen
)
ON CONFLICT (host) DO UPDATE SET
    name = excluded.name, endpoint = excluded.endpoint, seen = excluded.seen

-- number_of_host --
SELECT number FROM serving_hosts WHERE host = :host

-- beat --
UPDATE serving_hosts SET beat = beat + 1, seen = :seen WHERE host = :host

-- acknowledge --
-- Who was taken for away counts again once it has followed what is published now.
UPDATE serving_hosts SET
    seq = :seq, refused = :refused, beat = beat + 1, seen = :seen,
    state = CASE
        WHEN :seq = (SELECT p.seq FROM published_routes p WHERE p.endpoint = serving_hosts.endpoint) THEN 'serving'
        ELSE state END
WHERE host = :host

-- mark_away --
-- Only a host that has said nothing since it was looked at.
UPDATE serving_hosts SET state = 'away' WHERE host = :host AND beat = :beat AND state = 'serving'

-- set_state --
UPDATE serving_hosts SET state = :state WHERE host = :host
