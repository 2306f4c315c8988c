"""Places outside that know the truth -> rows of labels. One file per kind of place."""
