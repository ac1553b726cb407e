"""What is said to the person at the keyboard when the engine cannot go on."""


class EngineProblem(Exception):
    """Why the private engine cannot be had, and what to do about it.

    `message` says what happened and why, `remedy` what to do, with the
    command to run; both are French sentences, shown as they are.
    """

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n{self.remedy}"
