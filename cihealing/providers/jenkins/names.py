"""What Jenkins calls its builds and jobs, by their addresses."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit


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
    names = [
        unquote(part)
        for part in job.strip("/").removeprefix("job/").replace("/job/", "/").split("/")
    ]
    if len(names) > 1 and (names[-1] == branch or re.fullmatch(r"[PM]R-[0-9]+(-\w+)?", names[-1])):
        names.pop()
    return "/".join(names)
