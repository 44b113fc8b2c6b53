"""Asking Gitea or Forgejo about one repository: its branches, pull requests and what is said there.

Source: its API description (`/api/swagger`), 'repository' and 'issue'; `routers/api/v1` for what a
refusal means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote

from cihealing.http import urls
from cihealing.http.answers import HttpAnswer
from cihealing.http.client import Conversation
from cihealing.http.urls import Base
from cihealing.ports import BadPayload, PermanentError, Site
from cihealing.providers.gitea.api import PER_PAGE, asked_about, talk
from cihealing.providers.gitea.hosts import HOSTS
from cihealing.providers.gitea.settings import GiteaSettings
from cihealing.providers.shared import outbound as _outbound
from cihealing.providers.shared import wire as _wire

ENABLED = "CI_HEALING_GITEA_ENABLED"
NEED = "write:repository and write:issue"
TELLING = (401, 403, 404)
"""What the token is, or may, or may not see."""


class GiteaRefused(PermanentError):
    """A 4xx; `said` is what Gitea wrote."""

    def __init__(self, message: str, *, status: int, said: str) -> None:
        super().__init__(message)
        self.status, self.said = status, said


def require_enabled(settings: GiteaSettings) -> None:
    if not settings.gitea_enabled:
        raise PermanentError(f"writing to Gitea is switched off: set {ENABLED}=true")


class GiteaApi:
    """Calls about one repository; paths are below it. Raises TransientError, GiteaRefused."""

    def __init__(self, conversation: Conversation, repository: str) -> None:
        self.repository, self._conversation = repository, conversation
        self.asked = asked_about(repository, repository, scope=NEED)

    def get(self, path: str, **parameters: str) -> _wire.Fields:
        return self._fields(self._conversation.get(self._at(path), params=parameters or None))

    def call(
        self, verb: str, path: str, *, body: Mapping[str, object] | None = None
    ) -> _wire.Fields:
        return self._fields(self._conversation.send(verb, self._at(path), content=body))

    def listed(
        self, path: str, *, within: str = "", key: str = "id", **parameters: str
    ) -> Iterator[_wire.Fields]:
        """Every entry of a paged list, or of the list `within` an object. Some lists have no pages,
        and a server may give fewer than are asked for: only what brings nothing new is the end.
        """
        seen = set[object]()
        for page in range(1, _outbound.MAX_PAGES + 1):
            asked: dict[str, str | int] = {**parameters, "page": page, "limit": PER_PAGE}
            answer = self._checked(self._conversation.get(self._at(path), params=asked))
            found = (
                self.asked.fields(answer).children(within) if within else self.asked.items(answer)
            )
            fresh = [one for one in found if one.scalar(key) not in seen]
            yield from fresh
            if not fresh:
                return
            seen |= {one.scalar(key) for one in fresh}

    def _at(self, path: str) -> str:
        return f"api/v1/repos/{quote(self.repository)}/{path}".rstrip("/")

    def _fields(self, answer: HttpAnswer) -> _wire.Fields:
        """What was done without a word is an empty object."""
        checked = self._checked(answer)
        return self.asked.fields(checked) if checked.body.strip() else _wire.Fields({})

    def _checked(self, answer: HttpAnswer) -> HttpAnswer:
        said = _own_words(answer)
        try:
            self.asked.check(answer)
        except PermanentError as error:
            told = str(error) if answer.status in TELLING else f"Gitea refused it: {said}"
            raise GiteaRefused(told, status=answer.status, said=said) from None
        return answer


def _own_words(answer: HttpAnswer) -> str:
    if answer.good:
        return ""
    try:
        return _wire.Fields(_wire.json_object(answer.body)).label("message") or "it gave no reason"
    except BadPayload:
        return "it sent a page instead of an answer"


@contextmanager
def connected(settings: GiteaSettings, site: Site, *, repository: str = "") -> Iterator[GiteaApi]:
    """The API of the site's repository, or of another one at the same Gitea. An answer that cannot
    be read within raises TransientError.
    """
    name = repository or site.repository
    if not _wire.is_repository(name) or name.count("/") != 1:
        raise PermanentError(f"{name[:100]!r} is no repository at Gitea: it is owner/name")
    with talk(
        settings,
        name,
        host=host_of(settings, site),
        transport=None,
        scope=NEED,
        wanted="pull requests",
    ) as conversation:
        api = GiteaApi(conversation, name)
        with api.asked.readable():
            yield api


def host_of(settings: GiteaSettings, site: Site) -> str:
    """Which of several Giteas the repository is at, as its clone URL says; empty: the first."""
    host = _wire.host_of(site.policy.clone_url)
    return host if host in known_hosts(settings) else ""


def known_hosts(settings: GiteaSettings) -> list[str]:
    found = urls.bases_of(HOSTS.at(*settings.gitea_url))
    return [base.target.authority for base in found if isinstance(base, Base)]
