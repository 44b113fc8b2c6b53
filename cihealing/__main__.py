"""The console script `cihealing`: Django's commands under the product's own name."""

from __future__ import annotations

import ast
import os
import signal
import sys
import tempfile
from contextlib import redirect_stderr
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO, cast

LIGHT = ("explain", "fingerprint", "notify", "rules")
"""Commands that need neither settings nor database: they start in a fraction of the time, in a CI
job or a shell loop.
"""

MAKES_SECRETS = ("up",)
TAKES_DATA = (
    "up",
    "connect",
    "demo",
    "doctor",
    "audit",
    "heal",
    "rebuild",
    "retry",
    "runs",
    "watch",
)
OF_ITS_OWN = "try"
"""The command that has a service of its own for as long as it runs."""
OWN_DIRECTORY = "cihealing-try-"
KEPT = tuple(
    f"CI_HEALING_{name}"
    for name in (
        "SANDBOX",
        "TOOLCHAIN",
        "LOG_LEVEL",
        "LOG_FORMAT",
        "MAX_ATTEMPTS",
        "MAX_TOTAL_DURATION",
    )
)


class Masked:
    """A stream to which no secret is written; whatever else is asked of it, the stream itself
    answers.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        from cihealing.secrecy import masked  # late: most commands write nothing here

        self._stream.write(masked(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def told_masked(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    from cihealing.secrecy import last_words

    last_words(kind, error, trace)


def main() -> None:
    sys.excepthook = told_masked
    try:
        with redirect_stderr(cast("TextIO", Masked(sys.stderr))):
            run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has seen enough (`| head`): that is no fault of anyone's, and the interpreter
        # must not trip over it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except Exception as error:
        line = expected(error)
        if not line:
            raise
        sys.stderr.write(f"cihealing: {line}\n")
        sys.exit(1)


def expected(error: Exception) -> str:
    """What is wrong and what to do, in one line, for what is no fault of the code: disk,
    directories, database, settings. Else empty.
    """
    from django.core.exceptions import ImproperlyConfigured

    from cihealing import outages

    return (
        " ".join(str(error).split())
        if isinstance(error, ImproperlyConfigured)
        else outages.line(error)
    )


def run(arguments: list[str]) -> None:
    command = arguments[0] if arguments else "--help"
    if command in ("help", "--help", "-h") and len(arguments) < 2:
        return tell_commands()
    if command in LIGHT:
        return light(command, arguments=arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if command == OF_ITS_OWN:
        return trial(arguments)
    if command in TAKES_DATA:
        set_data_directory(arguments)
    if command in MAKES_SECRETS and not {"-h", "--help"} & set(arguments):
        make_secrets()
    from django.core.management import execute_from_command_line

    execute_from_command_line(["cihealing", *arguments])
    return None


def tell_commands() -> None:
    """The product's own commands, a line each; Django's are there too, and `cihealing help
    --commands` lists them.
    """
    places = sorted((Path(__file__).parent / "management" / "commands").glob("[!_]*.py"))
    told = [
        (
            place.stem,
            (ast.get_docstring(ast.parse(place.read_text(encoding="utf-8"))) or "").split("\n")[0],
        )
        for place in places
    ]
    rows = [
        f"  {name:12} {text.removeprefix(f'`cihealing {name}`').lstrip(': ')}"
        for name, text in told
    ]
    sys.stdout.write("\n".join(["cihealing COMMAND [--help]", "", *rows, ""]))


def light(command: str, *, arguments: list[str]) -> None:
    """Run a command without loading settings, applications or Celery."""
    from django.conf import settings

    settings.configure(DATABASES={}, INSTALLED_APPS=[], USE_I18N=False, LOGGING_CONFIG=None)
    import_module(f"cihealing.management.commands.{command}").Command().run_from_argv(
        ["cihealing", *arguments]
    )


def trial(arguments: list[str]) -> None:
    """Run `try` over a private data directory, removed at the end; the settings and the database of
    an installed service are not its.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, called_off)
    with tempfile.TemporaryDirectory(prefix=OWN_DIRECTORY, ignore_cleanup_errors=True) as directory:
        foreign = (
            "DATABASE_URL",
            "REDIS_URL",
            *(name for name in os.environ if name.startswith("CI_HEALING_") and name not in KEPT),
        )
        for name in foreign:
            os.environ.pop(name, None)
        os.environ["CI_HEALING_DATA_DIR"] = directory
        # Where bubblewrap works it is used all the same; elsewhere these are people who run their
        # own repository on their own machine.
        os.environ.setdefault("CI_HEALING_SANDBOX", "plain")
        os.environ.setdefault("CI_HEALING_LOG_LEVEL", "ERROR")
        from django.core.management import execute_from_command_line

        execute_from_command_line(["cihealing", *arguments])


def called_off(number: int, _frame: Any) -> None:
    """End with everything that was started: what still writes would outlive the directories it
    writes into.
    """
    from cihealing.embedded import end_children

    end_children()
    sys.exit(128 + number)


def set_data_directory(arguments: list[str]) -> None:
    """`--data DIR` must be known before settings are read, for they read the secrets in it."""
    for position, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == "--data":
            chosen = value if equals else "".join(arguments[position + 1 : position + 2])
            os.environ["CI_HEALING_DATA_DIR"] = str(Path(chosen).expanduser().absolute())


def make_secrets() -> None:
    """Secrets of first start, likewise before settings are read. Production gets its own from
    outside and makes none.
    """
    from cihealing import first_start

    if os.environ.get("CI_HEALING_ENV") != "production":
        checkout = Path(__file__).resolve().parent.parent
        directory = Path(os.environ.get("CI_HEALING_DATA_DIR") or checkout / "var")
        try:
            first_start.make_secrets(directory, environment=os.environ)
        except first_start.SecretsGone as error:
            sys.exit(f"cihealing: {error}")


if __name__ == "__main__":
    main()
