"""Where the facts come from: the live cluster and this machine, or a snapshot; receipts tie a run
to its place."""
