"""Tokens of a well-known form. Source: the providers' own documentation of their prefixes, and what
public secret scanners agree on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from cihealing.reading.redact.spans import Chunk, Span
from cihealing.reading.redact.values import is_mask

MIN_RUN = 20
"""Every token has a run of at least so many of the characters below: only such runs are looked at,
each different one once.
"""
RUN_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-~"
RUNS = bytes(ord("a") if chr(code) in RUN_CHARACTERS else ord(" ") for code in range(256))
MAX_TRIES = 16
"""Forms tried in one run: more of them is hostile."""
MAX_SEEN = 50_000
LONGEST_HEAD = 48
BASE64 = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/_-"
LONE = ("+", "/", "-", "_", ".")
BEFORE = 12
"""A hint may stand so many characters before the run (`pat….64 hex digits`)."""


@dataclass(frozen=True, slots=True)
class TokenForm:
    """A well-known form of token. `pattern` begins with one of `hints`."""

    kind: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    lone: bool
    """Its beginning is so common in paths and base64 that it counts only where nothing of these
    stands before it.
    """


def form(kind: str, hints: str, rest: str, *, lone: bool = False) -> TokenForm:
    """The form whose tokens begin with a hint, at the beginning of a word, and go on as `rest`
    says.
    """
    words = hints.split()  # pragma: no mutate
    return TokenForm(
        kind, tuple(words), re.compile(rf"(?:{'|'.join(map(re.escape, words))}){rest}"), lone
    )  # pragma: no mutate


HEX, B62, B64URL = "[0-9a-f]", "[A-Za-z0-9]", r"[\w-]"
Z = r"(?![A-Za-z0-9])"
FORMS = (
    form("github-token", "ghp_ gho_ ghu_ ghs_ ghr_", rf"{B62}{{20,255}}"),
    form("github-token", "ghs_ ghu_", rf"{B64URL}{{0,80}}eyJ[\w.-]{{20,2000}}"),
    form("github-token", "github_pat_", r"\w{22,255}"),
    form(
        "gitlab-token",
        "glpat- gldt- glrt- glrtr- glcbt- glptt- glft- glsoat- gloas- glagent- glimt- glffct-"
        " glwt-",
        r"[\w.-]{16,300}",
    ),
    form("gitlab-token", "GR1348941", rf"{B64URL}{{20,50}}"),
    form("gitlab-token", "gitlab_session=", r"[0-9a-z]{32}"),
    form("bitbucket-token", "ATBB ATCTT3xFfG ATATT3xFfG ATATT", r"[\w=-]{24,500}", lone=True),
    form("bitbucket-token", "BBDC-", r"[\w+/=]{32,80}"),
    form(
        "aws-secret-key",
        "AKIA ASIA",
        r"[A-Z0-9]{16}[\s,:;|\"']{1,40}(?=\S{0,39}\d)(?=\S{0,39}[a-z])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])",
    ),
    form("aws-access-key", "AKIA ASIA ABIA ACCA A3T", rf"[A-Z0-9]{{16}}{Z}"),
    form("aws-bedrock-key", "ABSK bedrock-api-key-", r"[A-Za-z0-9+/=]{60,500}", lone=True),
    form("google-key", "AIza", rf"{B64URL}{{35}}"),
    form("google-key", "GOCSPX-", rf"{B64URL}{{20,60}}"),
    form("google-key", "ya29.", rf"{B64URL}{{20,1000}}(?:\.[\w-]{{1,1000}})?"),
    form("google-key", "1//0", rf"{B64URL}{{36,200}}", lone=True),
    form(
        "slack-token",
        "xoxa- xoxb- xoxc- xoxd- xoxe- xoxo- xoxp- xoxr- xoxs- xoxe.xoxp- xoxe.xoxb-",
        r"[A-Za-z0-9%-]{10,300}",
    ),
    form("slack-token", "xapp-", r"\d-[A-Za-z0-9-]{10,250}"),
    form("discord-token", "mfa.", rf"{B64URL}{{60,100}}"),
    form("sendgrid-key", "SG.", r"[\w-]{16,32}\.[\w-]{32,64}"),
    form("mailgun-key", "key-", rf"{HEX}{{32}}(?:-{HEX}{{8}}-{HEX}{{8}})?{Z}", lone=True),
    form("sendinblue-key", "xkeysib- xsmtpsib-", rf"{HEX}{{64}}-[A-Za-z0-9]{{16}}"),
    form(
        "stripe-key",
        "sk_live_ rk_live_ sk_test_ rk_test_ sk_prod_ rk_prod_ sk_org_",
        rf"{B62}{{10,250}}",
    ),
    form("stripe-key", "whsec_", r"[A-Za-z0-9+/=]{20,100}"),
    form("square-token", "sq0atp- sq0csp- sq0idp- sq0acp-", rf"{B64URL}{{22,60}}"),
    form("square-token", "EAAA", rf"(?=[\w-]{{0,60}}\d)[\w-]{{56,64}}{Z}", lone=True),
    form(
        "facebook-token",
        "EAACEdEose0cBA EAAG EAAB",
        rf"(?=[A-Za-z0-9]{{0,200}}\d){B62}{{80,400}}",
        lone=True,
    ),
    form(
        "twitter-token",
        "AAAAAAAAAAAAAAAAAAAAA",
        r"(?=[A-Za-z0-9]{0,80}%)[A-Za-z0-9%]{60,120}",
        lone=True,
    ),
    form("plaid-token", "access-production- access-sandbox- access-development-", r"[0-9a-f-]{36}"),
    form("shopify-token", "shpat_ shpca_ shppa_ shpss_ shptka_ shpua_ shpit_", r"[A-Fa-f0-9]{32}"),
    form("adyen-key", "AQE", r"[A-Za-z0-9]{2}hm[A-Za-z0-9+/=-]{60,300}", lone=True),
    form("npm-token", "npm_", rf"{B62}{{36}}{Z}"),
    form("pypi-token", "pypi-", r"Ag[\w-]{50,500}"),
    form("rubygems-token", "rubygems_", rf"{HEX}{{48}}"),
    form("nuget-key", "oy2", rf"[a-z0-9]{{43}}{Z}", lone=True),
    form("cargo-token", "cio", rf"{B62}{{32}}{Z}", lone=True),
    form("clojars-token", "CLOJARS_", r"[0-9a-z]{60}"),
    form(
        "packagist-token",
        "packagist_ack_ packagist_uut_ packagist_oat_ packagist_out_ packagist_ort_",
        r"[0-9a-f]{40,100}",
    ),
    form("artifactory-token", "AKCp", rf"{B62}{{60,80}}", lone=True),
    form("artifactory-token", "cmVmdGtuOj", rf"{B62}{{50,100}}", lone=True),
    form("docker-token", "dckr_pat_ dckr_oat_", rf"{B64URL}{{20,100}}"),
    form("heroku-key", "HRKU-", rf"{B64URL}{{30,100}}"),
    form("digitalocean-token", "dop_v1_ doo_v1_ dor_v1_", rf"{HEX}{{64}}"),
    form("cloudflare-key", "v1.0-", rf"{HEX}{{24}}-{HEX}{{64,200}}"),
    form("cloudflare-key", "cfut_ cfat_ cfk_", rf"{B62}{{36,60}}"),
    form("newrelic-key", "NRAK- NRJS- NRRA- NRII- NRSP NRAA- NRBR-", r"[A-Za-z0-9-]{18,60}"),
    form("sentry-token", "sntrys_ sntryu_ sntrya_", r"[\w=+/-]{40,500}"),
    form("grafana-token", "glsa_", r"[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}"),
    form("grafana-token", "glc_", r"[A-Za-z0-9+/=]{32,400}"),
    form("grafana-token", "eyJrIjoi", r"[A-Za-z0-9]{50,400}={0,2}"),
    form("dynatrace-token", "dt0c01. dt0s01. dt0s16.", r"[A-Z0-9]{8,24}\.[A-Z0-9]{64}"),
    form("posthog-key", "phx_ phs_", rf"{B64URL}{{32,60}}"),
    form("linear-key", "lin_api_ lin_oauth_", rf"{B62}{{32,80}}"),
    form("notion-token", "ntn_", rf"{B62}{{40,60}}"),
    form("notion-token", "secret_", rf"(?=[A-Za-z]{{0,40}}\d)[A-Za-z0-9]{{43}}{Z}"),
    form("figma-token", "figd_ figdr_ figu_ figur_", rf"{B64URL}{{36,80}}"),
    form("contentful-token", "CFPAT-", rf"{B64URL}{{40,60}}"),
    form("typeform-token", "tfp_", r"[\w.=-]{44,80}"),
    form("postman-key", "PMAK-", r"[0-9a-f]{24}-[0-9a-f]{34}"),
    form("readme-key", "rdme_", r"[a-z0-9]{70}"),
    form("frameio-token", "fio-u-", rf"{B64URL}{{60,70}}"),
    form("duffel-token", "duffel_test_ duffel_live_", rf"{B64URL}{{43}}"),
    form("easypost-key", "EZAK EZTK", rf"{B62}{{54}}"),
    form("flutterwave-key", "FLWSECK_TEST- FLWSECK-", r"[A-Za-z0-9-]{12,60}"),
    form("shippo-token", "shippo_live_ shippo_test_", rf"{HEX}{{40}}"),
    form("vault-token", "hvs. hvb. hvr.", rf"{B64URL}{{20,300}}"),
    form("pulumi-token", "pul-", rf"{HEX}{{40}}"),
    form("prefect-token", "pnu_ pnb_", r"[a-zA-Z0-9]{36}"),
    form("doppler-token", "dp.pt. dp.st. dp.ct. dp.sa. dp.scim. dp.audit.", r"[\w.]{40,80}"),
    form("infisical-token", "st.", rf"{HEX}{{24}}\.{HEX}{{32}}\.{HEX}{{32}}"),
    form("1password-token", "ops_", r"eyJ[\w+/=-]{100,1500}"),
    form(
        "1password-key",
        "A3-",
        r"[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}",
        lone=True,
    ),
    form("age-key", "AGE-SECRET-KEY-1", r"[0-9A-Z]{50,70}"),
    form("databricks-token", "dapi", rf"{HEX}{{32}}(?:-\d)?{Z}", lone=True),
    form("databricks-token", "dose", rf"{HEX}{{32}}{Z}", lone=True),
    form("planetscale-token", "pscale_tkn_ pscale_oauth_ pscale_pw_", r"[\w.=-]{32,80}"),
    form("supabase-token", "sbp_ sb_secret_", r"[\w-]{30,80}"),
    form("neon-token", "napi_", rf"{B62}{{40,80}}"),
    form("huggingface-token", "hf_ api_org_", rf"[A-Za-z0-9]{{30,60}}{Z}"),
    form("openai-key", "sk-proj- sk-svcacct- sk-admin- sk-None-", rf"{B64URL}{{20,250}}"),
    form("openrouter-key", "sk-or-v1- sk-or-", rf"{B64URL}{{30,100}}"),
    form("anthropic-key", "sk-ant-", rf"{B64URL}{{20,250}}"),
    form("openai-key", "sk-", r"(?=[\w-]{0,60}\d)(?=[\w-]{0,60}[A-Z])[A-Za-z0-9_-]{32,200}"),
    form("deepseek-key", "sk-", rf"{HEX}{{32}}{Z}", lone=True),
    form("langchain-key", "lsv2_pt_ lsv2_sk_", rf"{HEX}{{32}}_{HEX}{{10}}"),
    form("langfuse-key", "sk-lf- pk-lf-", r"[0-9a-f-]{36}"),
    form("xai-key", "xai-", rf"{B62}{{60,100}}"),
    form("groq-key", "gsk_", rf"{B62}{{40,70}}"),
    form("perplexity-key", "pplx-", rf"{B62}{{40,64}}"),
    form("replicate-token", "r8_", rf"{B62}{{37,40}}"),
    form("fireworks-key", "fw_", rf"(?=[A-Za-z]{{0,30}}\d){B62}{{22,40}}{Z}", lone=True),
    form("nvidia-key", "nvapi-", rf"{B64URL}{{50,80}}"),
    form("tavily-key", "tvly-", rf"{B64URL}{{20,80}}"),
    form("circleci-token", "CCIPAT_ CCIPRJ_", r"\w{20,120}"),
    form("buildkite-token", "bkua_ bkpt_ bkaj_ bkct_ bkat_", rf"{B62}{{30,80}}"),
    form("sonar-token", "squ_ sqp_ sqa_ sqb_", rf"{HEX}{{40}}"),
    form("snyk-token", "snyk_uat. snyk_sat.", r"[\w.-]{20,400}"),
    form("tailscale-key", "tskey-", r"[A-Za-z0-9-]{16,100}"),
    form("netlify-token", "nfp_ nfc_ nfo_ nfu_", rf"{B62}{{36,60}}"),
    form("vercel-token", "vcp_ vci_ vca_ vcr_ vck_ vercel_blob_rw_", rf"{B64URL}{{24,100}}"),
    form("fly-token", "FlyV1 fo1_ fm1r_ fm1a_ fm2_", r"[\w+/=,]{43,1000}"),
    form("render-key", "rnd_", rf"{B62}{{28,40}}", lone=True),
    form("alibaba-key", "LTAI", rf"(?=[A-Za-z]{{0,24}}\d){B62}{{16,24}}{Z}", lone=True),
    form("tencent-key", "AKID", rf"(?=[A-Za-z]{{0,40}}\d){B62}{{32}}{Z}", lone=True),
    form(
        "yandex-key",
        "AQVN t1.",
        r"(?=[A-Za-z_]{0,40}\d)[\w-]{35,200}(?:\.[\w-]{80,100}={0,2})?",
        lone=True,
    ),
    form("ionic-token", "ion_", rf"[a-z0-9]{{42}}{Z}", lone=True),
    form("intra42-secret", "s-s4t2ud- s-s4t2af-", rf"{HEX}{{64}}"),
    form("sauce-token", "sauce_", rf"{HEX}{{30,40}}"),
    form("launchdarkly-key", "sdk-", rf"{HEX}{{8}}-(?:{HEX}{{4}}-){{3}}{HEX}{{12}}"),
    form("rootly-token", "rootly_", rf"{HEX}{{64}}"),
    form("hashicorp-token", "hcp.", rf"{B64URL}{{40,200}}"),
    form("octopus-key", "API-", rf"(?=[A-Z]{{0,26}}\d)[A-Z0-9]{{26}}{Z}", lone=True),
    form("mapbox-token", "sk.eyJ", r"[\w-]{20,200}\.[\w-]{20,40}"),
    form(
        "base64-private-key",
        "LS0tLS1CRUdJTi",
        r"(?!BDRVJUSUZJQ0FUR|BQVUJMSUMg|BSU0EgUFVCTElDI|BUUlVTVEVEI|BYNTA5IE|BQR1AgUFVC|BQR1AgU0lH|BQR1AgTUVT|BDRVJUS|BOR|BYN)[A-Za-z0-9+/=_-]{40,20000}",
    ),
    form(
        "jwt",
        "eyJ",
        r"[A-Za-z0-9_-]{8,4000}+\.(?:eyJ)?[A-Za-z0-9_-]{8,8000}+(?:\.[A-Za-z0-9_-]{0,4000}){0,3}",
    ),
)


def by_start(forms: Iterable[TokenForm]) -> dict[str, tuple[TokenForm, ...]]:
    """The forms by the first three characters of their hints, in order."""
    found: dict[str, list[TokenForm]] = {}  # pragma: no mutate
    for one in forms:
        for start in dict.fromkeys(hint[:3] for hint in one.hints):  # pragma: no mutate
            found.setdefault(start, []).append(one)  # pragma: no mutate
    return {start: tuple(those) for start, those in found.items()}  # pragma: no mutate


BY_START = by_start(FORMS)
WORD_IN_RUN = re.compile(r"[_~-](?=[A-Za-z0-9])")
# What is written for one character, where a run begins inside of it: `\nghp_…`, `%3Dghp_…`,
# `\u0022ghp_…`, `[32mghp_…`.
ESCAPE_IN_RUN = {
    "\\": re.compile(r"[nrtf](?![a-z]{3})|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[nrtf]"),
    "%": re.compile("[0-9A-Fa-f]{2}"),
    "[": re.compile(r"\d{0,3}m"),
    ";": re.compile(r"\d{0,3}m"),
}
DOTTED = re.compile(
    "|".join(
        re.escape(hint[: hint.rindex(".") + 1])
        for one in FORMS
        for hint in one.hints
        if "." in hint
    )
)
# Tokens told by their shape alone, from the beginning of a run of token characters on.
SHAPED = re.compile(
    r"(?P<discord_token>[MNO][A-Za-z0-9_-]{23,27}\.[\w-]{6}\.[\w-]{27,40}(?![\w.-]))"
    r"|(?P<azure_client_secret>[A-Za-z0-9_.-]{3}\dQ~[A-Za-z0-9_.~-]{31,34})"
    r"|(?P<twilio_key>SK[0-9a-f]{32}(?!\w))"
    r"|(?P<mailchimp_key>[0-9a-f]{32}-us\d{1,2}(?!\w))"
    r"|(?P<newrelic_key>[0-9a-fx]{32,40}NRAL(?!\w))"
    r"|(?P<azure_devops_token>[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}(?!\w))"
)
# The same where the token begins before the run, which the last character before it tells:
# (characters before, kind, pattern).
BEHIND = {
    ":": tuple(
        (n + 1, "telegram-token", re.compile(rf"(?<!\d)\d{{{n}}}:AA[\w-]{{32,34}}(?![\w-])"))
        for n in (8, 9, 10)
    ),
    "$": tuple(
        (len(mode) + 19, "paypal-token", re.compile(rf"\${mode}\$[0-9a-z]{{16}}\$[0-9a-f]{{32}}"))
        for mode in ("sandbox", "production")
    ),
    ".": (
        (18, "airtable-token", re.compile(r"(?<!\w)pat[A-Za-z0-9]{14}\.[0-9a-f]{64}")),
        (23, "terraform-token", re.compile(r"(?<!\w)[A-Za-z0-9]{14}\.atlasv1\.[\w-]{60,80}")),
        (
            2,
            "vault-token",
            re.compile(
                r"(?<![\w./-])[sb]\.(?=[A-Za-z]{0,23}\d)(?=[A-Z0-9]{0,23}[a-z])(?=[a-z0-9]{0,23}[A-Z])[A-Za-z0-9]{24}(?![\w.(-])"
            ),
        ),
    ),
}


def token_spans(chunk: Chunk, seen: dict[bytes, bool]) -> Iterator[Span]:
    """`seen` carries from chunk to chunk which runs hold no token."""
    if len(seen) > MAX_SEEN:
        seen.clear()
    for start, end in runs(chunk.raw):
        run = chunk.raw[max(0, start - 6) : end]
        if seen.get(run, True):
            spans = list(tokens_at(chunk.text, chunk.start + start, chunk.start + end))
            seen[run] = bool(spans)
            yield from spans


def runs(raw: bytes) -> Iterator[tuple[int, int]]:
    """Where the runs of token characters stand."""
    marked, needle = raw.translate(RUNS), b"a" * MIN_RUN
    at = marked.find(needle)
    while at >= 0:
        end = marked.find(b" ", at)
        end = len(marked) if end < 0 else end
        yield at, end
        at = marked.find(needle, end)


def tokens_at(text: str, start: int, end: int) -> Iterator[Span]:
    """The tokens that begin in a run, or so shortly before it that they reach into it."""
    done = 0
    for at in islice(words_at(text, start, end), MAX_TRIES):
        for one in BY_START.get(text[at : at + 3], ()) if at >= done else ():
            match = None if one.lone and text[at - 1 : at] in LONE else one.pattern.match(text, at)
            if match and match.end() > start and not is_mask(match[0][4:]):
                done = match.end()
                yield at, done, one.kind
                break
    if text[start - 1 : start] not in LONE and (shaped := SHAPED.match(text, start)):
        yield start, shaped.end(), str(shaped.lastgroup).replace("_", "-")
    for before, kind, pattern in BEHIND.get(text[start - 1 : start], ()):
        if start >= before and (match := pattern.match(text, start - before)):
            yield match.start(), match.end(), kind


def words_at(text: str, start: int, end: int) -> Iterator[int]:
    """Where words begin that a run consists of; behind a dot also those of the hints that hold
    one.
    """
    yield start
    before = text[start - 1 : start]
    if before in ESCAPE_IN_RUN and (escape := ESCAPE_IN_RUN[before].match(text, start, end)):
        yield escape.end()
    if before == ".":
        yield from dotted(text, start)
    if before in ("/", "+"):
        head = text[max(0, start - LONGEST_HEAD) : start]
        yield start - len(head) + len(head.rstrip(BASE64))
    yield from (match.end() for match in WORD_IN_RUN.finditer(text, start, end))


def dotted(text: str, start: int) -> Iterator[int]:
    for match in DOTTED.finditer(text, max(0, start - BEFORE), start):
        at = match.start()
        if not text[at - 1 : at].isalnum() or text[at - 2 : at] in ("\\n", "\\t", "\\r"):
            yield at
