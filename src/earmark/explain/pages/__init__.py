"""Pages to look at and to listen to: one file each, which needs no network."""
