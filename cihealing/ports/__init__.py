"""What the core asks of the world: small Protocols by what they do, the values they take and give,
and the errors they may raise.

A port takes and gives values of the domain. A provider offers what it can (`Provider`); only
`registry.py` knows who there is.
"""

from cihealing.ports.chat import Button, Chat, Message
from cihealing.ports.errors import (
    Again,
    BadPayload,
    BadSignature,
    Cancelled,
    HeadMovedError,
    ModelFailed,
    NoLog,
    PatchRefused,
    PermanentError,
    TransientError,
)
from cihealing.ports.fixing import CouldNotRun, FixContext, Fixer, Guard
from cihealing.ports.forge import (
    Call,
    Change,
    Changes,
    FileEdit,
    Forge,
    Leaving,
    Permissions,
    Proposal,
    Published,
    Publishing,
    Site,
    Voice,
)
from cihealing.ports.inbound import Listening, OwnChange, Parsing, RawRequest, Signing, Verifying
from cihealing.ports.jobs import Expanding, Identifying, Logs, Reruns
from cihealing.ports.model import Model, ModelReply, ModelRequest, ServedModel, Speaking
from cihealing.ports.provider import Check, Hosts, Provider, Standing
from cihealing.ports.records import Affected, Artifacts, Green, History, PastFix, Red
from cihealing.ports.running import Ran, Runner, Sandbox
from cihealing.ports.tools import Tools
from cihealing.ports.trees import Credentials, Trees
from cihealing.texts import Stored
from cihealing.tree import Tree

__all__ = [
    "Affected",
    "Again",
    "Artifacts",
    "BadPayload",
    "BadSignature",
    "Button",
    "Call",
    "Cancelled",
    "Change",
    "Changes",
    "Chat",
    "Check",
    "CouldNotRun",
    "Credentials",
    "Expanding",
    "FileEdit",
    "FixContext",
    "Fixer",
    "Forge",
    "Green",
    "Guard",
    "HeadMovedError",
    "History",
    "Hosts",
    "Identifying",
    "Leaving",
    "Listening",
    "Logs",
    "Message",
    "Model",
    "ModelFailed",
    "ModelReply",
    "ModelRequest",
    "NoLog",
    "OwnChange",
    "Parsing",
    "PastFix",
    "PatchRefused",
    "PermanentError",
    "Permissions",
    "Proposal",
    "Provider",
    "Published",
    "Publishing",
    "Ran",
    "RawRequest",
    "Red",
    "Reruns",
    "Runner",
    "Sandbox",
    "ServedModel",
    "Signing",
    "Site",
    "Speaking",
    "Standing",
    "Stored",
    "Tools",
    "TransientError",
    "Tree",
    "Trees",
    "Verifying",
    "Voice",
]
