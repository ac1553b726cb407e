"""The board of a class: what each person has reached, live, for whoever walks between tables."""
