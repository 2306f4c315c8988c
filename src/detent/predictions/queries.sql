-- insert_label --
INSERT INTO labels (prediction_id, value, at, revision, first_value)
VALUES (:prediction_id, :value, :at, 0, :value)
ON CONFLICT (prediction_id) DO NOTHING

-- label --
SELECT prediction_id, value, at, revision, first_value FROM labels WHERE prediction_id = :prediction_id

-- correct_label --
UPDATE labels SET value = :value, at = :at, revision = :revision WHERE prediction_id = :prediction_id

-- insert_revision --
INSERT INTO label_revisions (prediction_id, revision, value, at)
VALUES (:prediction_id, :revision, :value, :at)

-- revisions --
SELECT revision, value, at FROM label_revisions WHERE prediction_id = :prediction_id ORDER BY revision

-- labels_between --
SELECT prediction_id, value, at, revision FROM labels
WHERE prediction_id >= :first AND prediction_id <= :last ORDER BY prediction_id

-- count_labels --
SELECT COUNT(*) AS labels FROM labels
