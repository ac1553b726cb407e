"""What the site and the notebooks take from the labs: derived, never written twice."""
