"""`make bench`: what `cahier` costs beside kubectl scripts that ask the same questions."""
