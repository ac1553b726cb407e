"""The corpus on other versions of Kubernetes: `make versions` plays a part of it on a throwaway
cluster of each, and writes down what came out the same; the site shows it."""
