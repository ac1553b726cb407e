"""Grading a class: a roster in, a folder of marks out."""
