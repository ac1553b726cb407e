"""The labs: their laws on a cluster, their recordings, pages and notebooks."""
