"""A CI log in, a Failure out. Pure: no Django, no I/O but the package's own rule files."""

from cihealing.reading.read import Reading, read, weak_failure
from cihealing.reading.redact import Redacted, redact

__all__ = ["Reading", "Redacted", "read", "redact", "weak_failure"]
