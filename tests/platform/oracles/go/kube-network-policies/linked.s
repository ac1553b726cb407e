// Lets Go accept functions without a body here: those that go:linkname finds elsewhere.
