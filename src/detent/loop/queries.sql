-- first_event_about --
SELECT seq, time, kind, subject, actor, payload, observed, previous, hash FROM ledger
WHERE subject = :subject AND kind = :kind ORDER BY seq LIMIT 1

-- last_event_about --
SELECT seq, time, kind, subject, actor, payload, observed, previous, hash FROM ledger
WHERE subject = :subject AND kind = :kind ORDER BY seq DESC LIMIT 1

-- events_about --
SELECT seq, time, kind, subject, actor, payload, observed, previous, hash FROM ledger WHERE subject = :subject ORDER BY seq

-- events_of_kind --
SELECT seq, time, kind, subject, actor, payload, observed, previous, hash FROM ledger WHERE kind = :kind ORDER BY seq

-- verdicts_after --
SELECT seq, time, kind, subject, actor, payload, observed, previous, hash FROM ledger
WHERE kind IN ('verdict.passed', 'verdict.rejected', 'verdict.inconclusive') AND seq > :seq ORDER BY seq
