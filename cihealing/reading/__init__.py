"""A CI log in, a Failure out. Pure: no Django, no I/O but the package's own rule files."""

from cihealing.reading.read import Reading, read, read_chunks, weak_failure
from cihealing.reading.redact import Redacted, redact

__all__ = ["Reading", "Redacted", "read", "read_chunks", "redact", "weak_failure"]
