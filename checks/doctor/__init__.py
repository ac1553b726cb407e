"""`cahier diagnostiquer`: what is wrong with an installation or an access, one line for each
subject."""
