"""The one error a user of the project is meant to read."""


class AssessError(Exception):
    """A problem the user can act on: one clear sentence naming file, row or column, what was found and what was expected.

    The command prints the sentence without a traceback and exits with code 1.
    """
