"""Marks in a platform's grade book, by LTI Advantage: Moodle, or any other that speaks it."""
