"""The API server: the one module that talks to it, what the learner’s configuration says, what a
refusal means."""
