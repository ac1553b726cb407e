"""`cahier demo`: played on the local cluster, or shown as it was recorded there. `record` makes the
recordings."""
