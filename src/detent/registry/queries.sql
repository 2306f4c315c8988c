-- last_number --
SELECT MAX(number) AS number FROM versions WHERE model = :model

-- insert_version --
INSERT INTO versions (model, number, digest, verdict, run, origin, registered_at)
VALUES (:model, :number, :digest, :verdict, :run, :origin, :registered_at)

-- version --
SELECT model, number, digest, verdict, run, origin, registered_at FROM versions
WHERE model = :model AND number = :number

-- version_by_digest --
SELECT model, number, digest, verdict, run, origin, registered_at FROM versions
WHERE model = :model AND digest = :digest

-- versions --
SELECT model, number, digest, verdict, run, origin, registered_at FROM versions
WHERE model = :model ORDER BY number

-- last_change --
SELECT seq, at FROM alias_changes WHERE model = :model ORDER BY seq DESC LIMIT 1

-- insert_change --
INSERT INTO alias_changes (model, seq, alias, number, at, actor, reason)
VALUES (:model, :seq, :alias, :number, :at, :actor, :reason)

-- current --
SELECT number FROM alias_changes WHERE model = :model AND alias = :alias ORDER BY seq DESC LIMIT 1

-- at --
SELECT number FROM alias_changes WHERE model = :model AND alias = :alias AND at <= :moment ORDER BY seq DESC LIMIT 1

-- history --
SELECT model, alias, number, at, actor, reason FROM alias_changes WHERE model = :model ORDER BY seq

-- all_current --
SELECT alias, number FROM alias_changes AS change
WHERE model = :model AND number IS NOT NULL AND seq = (
    SELECT MAX(seq) FROM alias_changes AS other WHERE other.model = change.model AND other.alias = change.alias
)
ORDER BY alias
