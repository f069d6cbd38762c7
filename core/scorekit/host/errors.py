"""What can end a run other than success, and who is at fault: the user, the application, or nobody."""


class ParameterError(ValueError):
    """The user gave something unusable. One sentence that names the option and the allowed values; exit code 2."""


class RunError(Exception):
    """The application cannot finish, and knows why. One sentence, shown without a traceback; exit code 1."""


class Cancelled(BaseException):
    """The user stopped the run; raised by `RunContext.progress`.

    A BaseException, as KeyboardInterrupt is, so that an application's `except Exception` does not swallow it.
    """


class PluginError(Exception):
    """A plugin cannot be used; the sentence says which and why. Raised by discovery in strict mode only."""
