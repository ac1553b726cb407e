"""Kubernetes' own end-to-end tests on our local cluster: `make upstream` compiles them, plays those
of the areas that the labs stand on, and writes down what came out; the site shows it."""
