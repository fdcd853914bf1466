"""When failed inputs end a run."""

from dataclasses import dataclass

from detcli.argument_checks import check_flag, check_int
from detcli.errors import TooManyFailuresError


@dataclass(frozen=True, slots=True)
class FailurePolicy:
    """The number of failed inputs that a run accepts.

    strict        end at the first failed input
    max_failures  end when more inputs than this failed; None: never
    """

    strict: bool = False
    max_failures: int | None = None

    def __post_init__(self) -> None:
        check_flag("strict", self.strict)
        if self.max_failures is not None:
            check_int("max_failures", self.max_failures, at_least=0)

    def check(self, failed: int) -> None:
        """Raise TooManyFailuresError where this number of failed inputs is too large."""
        if self.strict and failed:
            raise TooManyFailuresError("the run ended at the first failed input, because `strict` is set")
        if self.max_failures is not None and failed > self.max_failures:
            inputs = "1 input" if failed == 1 else f"{failed} inputs"
            raise TooManyFailuresError(f"{inputs} failed, more than `max_failures={self.max_failures}` allows")
