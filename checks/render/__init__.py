"""Shows a verdict: in a terminal. Its JSON is `checks.verdict.to_json`."""
