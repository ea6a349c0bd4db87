"""The base of every exception that a person can cause and mend. Knows nothing of Django."""


class Problem(Exception):
    """Something the caller asked for cannot be done; says what to do next.

    `code` is stable and machine-readable, `message` is for the person, `status` the HTTP status it maps to,
    `field` the input it concerns where there is one. Subclasses are named for the domain and live where they are raised.
    """

    code: str = "problem"
    status: int = 422

    def __init__(self, message: object = "", *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self._message = message
        self.field = field
        if code is not None:
            self.code = code

    @property
    def message(self) -> str:
        """The message in the language active when it is read (lazy translations are resolved here)."""
        return str(self._message)

    def __str__(self) -> str:
        return self.message
