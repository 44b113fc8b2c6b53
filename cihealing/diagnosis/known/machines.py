"""What machines, networks and services do to a build."""

from __future__ import annotations

from cihealing.diagnosis.pattern import ENV, FLAKY, INFRA, WORD, pattern

PATTERNS = (
    pattern(
        "out-of-memory",
        INFRA,
        r"\bMemoryError\b|JavaScript heap out of"
        r" memory|java\.lang\.OutOfMemoryError|\bOOMKilled\b|[Cc]annot allocate memory|Out of"
        r" memory: Killed",
        cause="The process needed more memory than the machine gives it",
        fix=(
            "Run it on a larger machine or with fewer parallel workers; where the need grew with"
            " this change, look for the leak"
        ),
        confidence=0.75,
    ),
    pattern(
        "killed",
        INFRA,
        r"\bexit(?:ed)?(?: with)?(?: code| status)? 137\b|\bsignal: killed\b|^Killed\b",
        cause="The process was killed from outside, most often for its use of memory",
        fix="Run it again; if it is killed again, give it more memory or less to do at once",
        confidence=0.6,
    ),
    pattern(
        "disk-full",
        INFRA,
        r"No space left on device|\bENOSPC\b|[Dd]isk quota exceeded",
        cause="The disk of the machine is full",
        fix="Clear the runner's disk (caches, old images), then run the job again",
        confidence=0.85,
    ),
    pattern(
        "name-resolution",
        INFRA,
        r"(?:Could not resolve host|Temporary failure in name resolution|Name or service not"
        rf" known|getaddrinfo (?:ENOTFOUND|EAI_AGAIN)):?\s?(?P<host>{WORD})?",
        cause="A host name could not be resolved ({host})",
        fix=(
            "Run the job again; if it stays so, check the runner's DNS and the spelling of the host"
        ),
        confidence=0.75,
    ),
    pattern(
        "connection-refused",
        INFRA,
        rf"(?:[Cc]onnection refused|\bECONNREFUSED\b)(?:\s(?P<host>{WORD}(?::\d{{1,5}})?))?",
        cause="Nothing answered where the program connected to ({host})",
        fix=(
            "Check that the service is started and ready before the step; if it is another team's,"
            " run the job again when it is back"
        ),
        confidence=0.75,
    ),
    pattern(
        "connection-lost",
        INFRA,
        r"[Cc]onnection reset by peer|\bECONNRESET\b|\bEPIPE\b|[Rr]emote end closed"
        r" connection|unexpected EOF|TLS handshake timeout|early EOF",
        cause="A connection was cut while it was used",
        fix="Run the job again; if it stays so, ask who runs the other side",
    ),
    pattern(
        "certificate",
        INFRA,
        r"certificate verify failed|CERTIFICATE_VERIFY_FAILED|x509: certificate|SSL certificate"
        r" problem|certificate has expired",
        cause="The certificate of the other side was not accepted",
        fix="Check its date and issuer, and that the runner knows your company's authority",
        confidence=0.75,
    ),
    pattern(
        "rate-limit",
        INFRA,
        r"\b429\b.{0,40}Too Many Requests|[Rr]ate limit (?:exceeded|reached)|toomanyrequests",
        cause="The other side refused further requests (rate limit)",
        fix="Run the job again later; sign in or cache what is fetched each time",
        confidence=0.8,
    ),
    pattern(
        "server-error",
        INFRA,
        r"\b(?P<status>50[0234])\b.{0,60}(?:Server Error|Bad Gateway|Service Unavailable|Gateway"
        r" Time-?out)",
        cause="The other side answered with an error of its own ({status})",
        fix="Run the job again when it is back",
    ),
    pattern(
        "credentials",
        ENV,
        r"\b40[13]\b.{0,30}(?:Unauthorized|Forbidden)|[Aa]uthentication failed|[Pp]ermission denied"
        r" \(publickey|denied: requested access|could not read Username",
        cause="The job was not allowed in: its credential is missing, wrong or expired",
        fix="Renew the credential in the CI's settings and check what it may do",
        confidence=0.75,
    ),
    pattern(
        "timeout",
        INFRA,
        r"exceeded the (?:maximum execution time|timeout)|[Jj]ob (?:timed out|exceeded)|[Tt]he"
        r" operation was canceled|execution took longer than",
        cause="The job ran longer than it may",
        fix=(
            "Find the step that hangs (the last line before the end), then raise the limit or mend"
            " the step"
        ),
        confidence=0.6,
    ),
    pattern(
        "test-timeout",
        FLAKY,
        r"(?:Exceeded timeout of|Timeout -|Test timeout of|Timeout of) ?(?P<limit>\d{1,9}"
        r" ?m?s)|Failed: Timeout >\s?(?P<seconds>[\d.]{1,12}s)|panic: test timed out",
        cause="A test did not end in time",
        fix=(
            "Run it alone a few times: if it ends sometimes, it waits for something it should not;"
            " if never, it hangs"
        ),
        confidence=0.6,
    ),
    pattern(
        "waited",
        INFRA,
        r"(?:[Rr]ead|[Cc]onnect(?:ion)?|[Oo]peration|Gateway) ?[Tt]imed?"
        r" ?-?out|\bETIMEDOUT\b|\bTimeoutError\b|i/o timeout|context deadline exceeded",
        cause="An answer did not come in time",
        fix="Run the job again; if it stays so, check the other side and the time-out that is set",
        confidence=0.6,
    ),
    pattern(
        "port-in-use",
        FLAKY,
        r"[Aa]ddress already in use|\bEADDRINUSE\b",
        cause="A port is taken already: two processes, or two tests, use the same one",
        fix="Let the program choose a free port (0), or stop what still runs",
        confidence=0.75,
    ),
)
