"""What Jenkins calls its builds and jobs, by their addresses."""

from __future__ import annotations

import re
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from msgspec import structs

from cihealing.domain.values import JobFacts

Facts = TypeVar("Facts", bound=JobFacts)


_CHANGE = re.compile(r"[PM]R-(?P<number>[0-9]{1,18})(-\w+)?")


def run_of(page: str) -> str:
    """What names a Jenkins build on its host: the path of its page, e.g. `job/shop/job/main/18`; ""
    where there is none.
    """
    try:
        path = urlsplit(page).path.strip("/")
    except ValueError:
        return ""
    return path if re.fullmatch(r"[\x21-\x7e]{1,200}", path) else ""


def job_of(job: str, *, branch: str) -> str:
    """The full name of a Jenkins job, from `job/a/job/b/` or `a/b`, without the branch a
    multibranch project puts last.

    So that the job keeps its name from one branch to the next, and green on main says something
    about red on a branch.
    """
    names = _names(job)
    if len(names) > 1 and (unquote(names[-1]) == branch or _CHANGE.fullmatch(names[-1])):
        names.pop()
    return "/".join(names)


def change_of(job: str) -> str:
    """The number of the change a multibranch project builds as `PR-13`; "" for a branch."""
    found = _CHANGE.fullmatch(_names(job)[-1])
    return found["number"] if found else ""


def of_change(facts: Facts, job: str) -> Facts:
    """The facts with the change apart from branches, where the job is of one."""
    number = change_of(job)
    return structs.replace(facts, branch="", ref=f"PR-{number}", change=number) if number else facts


def _names(job: str) -> list[str]:
    """Folders, project and its branch, each as Jenkins names it: a branch is encoded once in its
    own name, and again in an address.
    """
    address = job.strip("/").startswith("job/")
    parts = job.strip("/").removeprefix("job/").replace("/job/", "/").split("/")
    return [unquote(part) for part in parts] if address else parts
