"""What the environment of a build lacks."""

from __future__ import annotations

from cihealing.diagnosis.pattern import DATA, ENV, VALUE, WORD, pattern

PATTERNS = (
    pattern(
        "command-not-found",
        ENV,
        rf"(?:(?P<name>{WORD}): (?:command )?not found$|exec: \"(?P<name2>{WORD})\": executable"
        rf" file not found|spawn (?P<name3>{WORD}) ENOENT)",
        cause="A program is not installed here ({name}{name2}{name3})",
        fix="Install it in the job's set-up or image, or correct its name",
        confidence=0.8,
    ),
    pattern(
        "dependency-conflict",
        ENV,
        r"\bERESOLVE\b|ResolutionImpossible|version solving failed|No matching distribution found"
        r" for (?P<name>\S{1,120})|Could not find a version that satisfies the requirement",
        cause=(
            "The declared dependencies cannot be installed together, or one does not exist in that"
            " version"
        ),
        fix="Look at the versions named in the log; loosen or pin the one that changed last",
        confidence=0.75,
    ),
    pattern(
        "lock-file",
        ENV,
        r"lock ?file.{0,60}(?:out of date|not up to date|needs to be updated|is not in sync)|npm"
        r" ci. can only install packages when",
        cause="The lock file does not match the declared dependencies",
        fix="Make the lock file anew and commit it with the manifest",
        confidence=0.85,
    ),
    pattern(
        "permission",
        ENV,
        rf"(?:PermissionError|EACCES|[Pp]ermission denied):?\s?(?P<path>{VALUE})?$",
        cause="The job may not read, write or run a file ({path})",
        fix="Check owner and mode of the file, and the user the job runs as",
        confidence=0.65,
    ),
    pattern(
        "missing-table",
        DATA,
        r"(?:no such (?:table|column)|relation \"[^\"]{1,100}\" does not exist|Unknown"
        rf" column|Table '[^']{{1,100}}' doesn't exist):?\s?(?P<name>{VALUE})?$",
        cause=(
            "The database does not have what the code asks for: a migration is missing or was"
            " not run"
        ),
        fix=(
            "Add the migration to the change, and check that the job runs migrations before its"
            " tests"
        ),
        confidence=0.8,
    ),
    pattern(
        "missing-file",
        DATA,
        r"(?:FileNotFoundError|ENOENT|No such file or directory):?\s?(?:\[Errno 2\] No such file"
        rf" or directory: )?(?P<path>{VALUE})?$",
        cause="A file is not there ({path})",
        fix=(
            "Check whether it is committed, made by an earlier step, or looked for from the wrong"
            " directory"
        ),
    ),
)
