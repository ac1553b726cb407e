"""A container engine and a registry for real `kind`, from packages alone.

Used only where a machine has neither: `engine.private_engine` is the way in,
README.md explains the pieces. Nothing here is needed, or packed in the wheel,
where Docker, Podman or nerdctl answers.
"""
