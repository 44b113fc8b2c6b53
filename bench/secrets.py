"""How many planted secrets survive redaction, and how many lines of real logs it masks: `python -m
bench.secrets --logs DIR`.

Secrets are made from a seed, of many kinds and printed in many ways, and put at random lines of the
logs. One has survived when any eight characters of its secret part stand in the redacted text. No
secret stands in this file: every one is put together from pieces when it runs.
"""

# ruff: noqa: E501 - an expression in parts, one a line
from __future__ import annotations

import argparse
import base64
import json
import random
import string
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from cihealing.reading import clean, redact

B62 = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
URL64 = B62 + "-_"
STD64 = B62 + "+/"
Maker = Callable[[random.Random], tuple[str, str]]
"""A way to make a secret: what stands before it and is none (a prefix that scanners know), and the
secret part.
"""


@dataclass(frozen=True)
class Planted:
    kind: str
    way: str
    text: str
    parts: tuple[str, ...]
    """What must not survive."""


def some(rng: random.Random, letters: str, length: int) -> str:
    return "".join(rng.choice(letters) for _ in range(length))


def token(*prefix: str, letters: str = B62, length: int) -> Maker:
    """`prefix` comes in pieces, so that no scanner takes this file for a leak."""
    return lambda rng: ("".join(prefix), some(rng, letters, length))


def dotted(*prefix: str, lengths: tuple[int, ...], letters: str = URL64, joint: str = ".") -> Maker:
    return lambda rng: (
        "".join(prefix),
        joint.join(some(rng, letters, length) for length in lengths),
    )


def jwt(rng: random.Random) -> tuple[str, str]:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return (
        "",
        (
            f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'sub': some(rng, B62, 12), 'iat': rng.randrange(10**9)})}.{some(rng, URL64, 43)}"
        ),
    )


def uuid(rng: random.Random) -> tuple[str, str]:
    return "", "-".join(some(rng, HEX, length) for length in (8, 4, 4, 4, 12))


def word_password(rng: random.Random) -> tuple[str, str]:
    words = ("tiger", "Marble", "canyon", "Velvet", "rocket", "Harbor", "maple", "Copper")
    return "", rng.choice(words) + rng.choice("!@#%^*_-+.") + rng.choice(words) + str(
        rng.randrange(10, 9999)
    )


# Tokens whose form alone gives them away.
TOKENS: dict[str, Maker] = {
    "github-classic": token("gh", "p_", length=36),
    "github-oauth": token("gh", "o_", length=36),
    "github-app": token("gh", "s_", length=36),
    "github-fine": token("github", "_pat_", length=82),
    "gitlab-pat": token("glp", "at-", letters=URL64, length=20),
    "gitlab-runner": token("glr", "t-", letters=URL64, length=20),
    "gitlab-deploy": token("gld", "t-", letters=URL64, length=20),
    "gitlab-ci": token("glc", "bt-", letters=URL64, length=24),
    "atlassian": token("ATATT3x", "FfGF0", letters=URL64, length=180),
    "bitbucket-app": token("AT", "BB", length=32),
    "aws-key-id": token("AK", "IA", letters=string.ascii_uppercase + "234567", length=16),
    "aws-session-id": token("AS", "IA", letters=string.ascii_uppercase + "234567", length=16),
    "google-api": token("AI", "za", letters=URL64, length=35),
    "google-oauth-secret": token("GOC", "SPX-", letters=URL64, length=28),
    "google-access": token("ya", "29.", letters=URL64, length=120),
    "slack-bot": dotted("xo", "xb-", lengths=(12, 12, 24), letters=string.digits + B62, joint="-"),
    "slack-user": dotted("xo", "xp-", lengths=(12, 12, 12, 32), letters=string.digits, joint="-"),
    "slack-app": dotted("xa", "pp-1-A0", lengths=(9, 13, 64), letters=HEX, joint="-"),
    "discord-bot": dotted("M", lengths=(25, 6, 38)),
    "telegram": lambda rng: (some(rng, "123456789", 10) + ":A", "A" + some(rng, URL64, 33)),
    "twilio": token("S", "K", letters=HEX, length=32),
    "sendgrid": dotted("S", "G.", lengths=(22, 43)),
    "mailgun": token("ke", "y-", letters=HEX, length=32),
    "mailchimp": lambda rng: ("", some(rng, HEX, 32) + "-us" + str(rng.randrange(1, 21))),
    "stripe-live": token("sk_", "live_", length=24),
    "stripe-restricted": token("rk_", "live_", length=24),
    "stripe-webhook": token("wh", "sec_", length=32),
    "square": token("sq0", "atp-", letters=URL64, length=22),
    "square-secret": token("sq0", "csp-", letters=URL64, length=43),
    "shopify": token("shp", "at_", letters=HEX, length=32),
    "shopify-secret": token("shp", "ss_", letters=HEX, length=32),
    "npm": token("np", "m_", length=36),
    "pypi": token("py", "pi-AgEIcHlwaS5vcmc", letters=URL64, length=130),
    "rubygems": token("ruby", "gems_", letters=HEX, length=48),
    "nuget": token("o", "y2", letters=string.ascii_lowercase + string.digits, length=43),
    "docker-hub": token("dckr_", "pat_", letters=URL64, length=27),
    "heroku-new": token("HR", "KU-", letters=URL64, length=58),
    "digitalocean": token("dop", "_v1_", letters=HEX, length=64),
    "newrelic": token("NR", "AK-", letters=string.ascii_uppercase + string.digits, length=27),
    "sentry-org": token("sn", "trys_", letters=STD64, length=120),
    "grafana-sa": lambda rng: ("gl" + "sa_", some(rng, B62, 32) + "_" + some(rng, HEX, 8)),
    "grafana-cloud": token("gl", "c_", length=80),
    "linear": token("lin_", "api_", length=40),
    "notion": token("nt", "n_", length=46),
    "airtable": lambda rng: ("pa" + "t", some(rng, B62, 14) + "." + some(rng, HEX, 64)),
    "vault": token("hv", "s.", letters=URL64, length=95),
    "terraform-cloud": lambda rng: (
        "",
        some(rng, B62, 14) + ".atlas" + "v1." + some(rng, URL64, 67),
    ),
    "pulumi": token("pu", "l-", letters=HEX, length=40),
    "databricks": token("da", "pi", letters=HEX, length=32),
    "huggingface": token("h", "f_", length=34),
    "openai": token("sk-", "proj-", letters=URL64, length=120),
    "openai-old": token("s", "k-", length=48),
    "anthropic": token("sk-", "ant-api03-", letters=URL64, length=95),
    "xai": token("xa", "i-", length=80),
    "replicate": token("r", "8_", length=37),
    "groq": token("gs", "k_", length=52),
    "circleci": lambda rng: ("CCI" + "PAT_", some(rng, B62, 22) + "_" + some(rng, HEX, 40)),
    "buildkite": token("bk", "ua_", letters=HEX, length=40),
    "sonarqube": token("sq", "u_", letters=HEX, length=40),
    "age": token("AGE-SECRET-", "KEY-1", letters="QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", length=58),
    "azure-client-secret": lambda rng: ("", some(rng, B62, 3) + "8" + "Q~" + some(rng, B62, 34)),
    "jwt": jwt,
    "tailscale": token("tskey-", "auth-", length=40),
    "postman": lambda rng: ("PM" + "AK-", some(rng, HEX, 24) + "-" + some(rng, HEX, 34)),
    "figma": token("fi", "gd_", letters=URL64, length=40),
    "doppler": token("dp.", "pt.", length=43),
    "planetscale": token("pscale", "_tkn_", letters=URL64, length=43),
    "clojars": token("CLO", "JARS_", letters=string.ascii_lowercase + string.digits, length=60),
    "artifactory": token("AK", "Cp", length=69),
}
# Values that only their name or place gives away: (variable's name, maker).
NAMED: dict[str, tuple[str, Maker]] = {
    "aws-secret": ("AWS_SECRET_ACCESS_KEY", token(letters=STD64, length=40)),
    "password": ("DB_PASSWORD", word_password),
    "password-random": ("MYSQL_ROOT_PASSWORD", token(length=16)),
    "password-odd": ("POSTGRES_PASSWORD", token(letters=B62 + "!@#%^*_+~.-", length=18)),
    "heroku-uuid": ("HEROKU_API_KEY", uuid),
    "datadog": ("DD_API_KEY", token(letters=HEX, length=32)),
    "cloudflare": ("CLOUDFLARE_API_TOKEN", token(letters=URL64, length=40)),
    "fastly": ("FASTLY_API_TOKEN", token(letters=URL64, length=32)),
    "azure-storage": ("AZURE_STORAGE_KEY", lambda rng: ("", some(rng, STD64, 86) + "==")),
    "okta": ("OKTA_CLIENT_SECRET", token(letters=URL64, length=40)),
    "auth0": ("AUTH0_CLIENT_SECRET", token(letters=URL64, length=64)),
    "travis": ("TRAVIS_API_TOKEN", token(letters=URL64, length=22)),
    "codecov": ("CODECOV_TOKEN", uuid),
    "snyk": ("SNYK_TOKEN", uuid),
    "twilio-auth": ("TWILIO_AUTH_TOKEN", token(letters=HEX, length=32)),
    "discord-secret": ("DISCORD_CLIENT_SECRET", token(letters=URL64, length=32)),
    "quay": ("QUAY_PASSWORD", token(letters=string.ascii_uppercase + string.digits, length=64)),
    "django": ("DJANGO_SECRET_KEY", token(letters=B62 + "!@#%^*-_+", length=50)),
    "rails": ("SECRET_KEY_BASE", token(letters=HEX, length=128)),
    "paypal": ("PAYPAL_CLIENT_SECRET", token(letters=URL64, length=80)),
    "own-version": ("MY_SERVICE_API_KEY_V2", token(length=32)),
    "signing": ("JWT_SIGNING_KEY", token(letters=URL64, length=43)),
    "vault-unseal": ("VAULT_UNSEAL_KEY", lambda rng: ("", some(rng, STD64, 43) + "=")),
    "jenkins": ("JENKINS_API_TOKEN", token(letters=HEX, length=34)),
    "passphrase": ("GPG_PASSPHRASE", word_password),
}


def camel(name: str) -> str:
    first, *rest = name.lower().split("_")
    return first + "".join(word.title() for word in rest)


# How a variable is printed: {n} NAME, {c} camelCase, {s} snake_case, {k} kebab-case, {v} value, {j}
# value in JSON, {u} value in a URL.
NAMED_WAYS = (
    "{n}={v}",
    "export {n}={v}",
    "+ export {n}='{v}'",
    "++ {n}={v}",
    'declare -x {n}="{v}"',
    "$ set {n}={v}",
    "setenv {n} {v}",
    "ENV {n} {v}",
    "Step 4/9 : ENV {n}={v}",
    "  {n}: {v}",
    '$env:{n} = "{v}"',
    '{{"{n}": "{j}"}}',
    '  "{c}": "{j}",',
    '{s}: "{v}"',
    "{s} = '{v}'",
    "{{'{s}': '{v}', 'debug': True}}",
    "{{ {c}: '{v}', retries: 3 }}",
    "deploy --{k} {v}",
    "deploy --{k}={v} --verbose",
    "-D{c}={v}",
    "<{c}>{v}</{c}>",
    '{{"name": "{n}", "value": "{j}"}}',
    "docker run -e {n}={v} image:1",
    "GET /v1/items?page=2&{s}={u}&x=1 HTTP/1.1",
    "Config(host='db', {s}='{v}')",
    "map[host:db {s}:{v}]",
    "| {n} | {v} |",
    'body: "{{\\"{c}\\":\\"{j}\\"}}"',
    "- name: {n}\n  value: {v}",
    ':{s}=>"{v}"',
    "::add-mask::{v}",
    "##vso[task.setvariable variable={n};issecret=true]{v}",
    "env: {n}={v}, CI=true",
    "'{s}' => '{v}',",
    'curl -H "X-{k}: {v}" https://api.example.org/',
)
TOKEN_WAYS = (
    "{v}",
    "using {v} for now",
    "token {v}",
    "'{v}'",
    "[{v}]",
    "({v})",
    "Authorization: Bearer {v}",
    "-H 'Authorization: token {v}'",
    "Error: bad credentials: {v}.",
    "https://api.example.org/x?access_token={u}&y=1",
    "https://oauth2:{u}@git.example.org/a.git",
    "https://{u}@git.example.org/a.git",
    "echo {v} | tool login --token-stdin",
    "auth={v};",
    '{{"t":"{j}"}}',
    "line1\\n{v}\\nline3",
    "key:{v},",
    "<t>{v}</t>",
    "argv: ['x', '--with', '{v}']",
    "//registry.example.org/:_authToken={v}",
    "TOKEN={v}",
    "\t{v}\t",
    "x%3D{u}%26y",
    "set-output name=t::{v}",
    "`{v}`",
)


def placed(rng: random.Random) -> Iterator[Planted]:
    """Secrets that their place gives away."""
    word, odd = (
        word_password(rng)[1].replace("@", "_").replace("#", "_").replace("%", "_"),
        some(rng, B62, 18),
    )
    basic = base64.b64encode(f"deploy:{odd}".encode()).decode()
    b64 = some(rng, STD64, 86) + "=="
    for kind, text, secret in (
        ("postgres-url", f"DATABASE_URL=postgres://app:{odd}@db.internal:5432/shop", odd),
        ("mysql-url", f"mysql://root:{word}@127.0.0.1/test", word),
        ("mongodb-url", f"mongodb+srv://svc:{odd}@c0.example.net/?w=1", odd),
        ("redis-url", f"REDIS_URL=redis://:{odd}@cache:6379/0", odd),
        ("amqp-url", f"amqp://mq:{odd}@rabbit:5672/%2f", odd),
        ("pip-index", f"Looking in indexes: https://ci:{odd}@pypi.example.org/simple", odd),
        ("jdbc", f"jdbc:postgresql://db:5432/shop?user=app&password={odd}&ssl=true", odd),
        (
            "jdbc-sqlserver",
            f"jdbc:sqlserver://h:1433;databaseName=x;user=sa;password={odd};encrypt=true",
            odd,
        ),
        ("ado", f"Server=tcp:h,1433;Database=d;User ID=sa;Password={odd};Encrypt=True", odd),
        ("odbc", f"Driver={{ODBC Driver 18}};Server=h;Uid=sa;Pwd={odd};", odd),
        (
            "azure-storage-cs",
            f"DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={b64};EndpointSuffix=core.windows.net",
            b64,
        ),
        (
            "azure-sas",
            (
                f"https://s.blob.core.windows.net/c?sv=2022-11-02&sig={quote(b64[:43] + '=', safe='')}&se=2026"
            ),
            quote(b64[:43], safe=""),
        ),
        (
            "servicebus",
            f"Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey={b64[:43]}=",
            b64[:43],
        ),
        ("basic-header", f"> Authorization: Basic {basic}", basic),
        ("basic-python", f"headers={{'Authorization': 'Basic {basic}'}}", basic),
        ("docker-config", f'{{"auths":{{"r.example.org":{{"auth":"{basic}"}}}}}}', basic),
        ("cookie", f"Cookie: theme=dark; sessionid={odd.lower()}7q; lang=en", odd.lower()),
        ("set-cookie", f"< set-cookie: connect.sid=s%3A{odd}.x1; Path=/; HttpOnly", odd),
        ("curl-user", f"+ curl -sSf -u deploy:{odd} https://repo.example.org/x.tgz", odd),
        ("mysql-p", f"$ mysql -h db -uroot -p{odd} shop", odd),
        ("docker-login", f"docker login -u bot -p {odd} registry.example.org", odd),
        ("sshpass", f"sshpass -p '{odd}' ssh root@host", odd),
        ("redis-cli", f"redis-cli -h cache -a {odd} ping", odd),
        ("netrc", f"machine git.example.org login bot password {odd}", odd),
        ("pgpassword", f"PGPASSWORD={word} psql -h db -U app", word),
        ("stdin-login", f"echo {odd} | docker login --username bot --password-stdin", odd),
        ("sql", f"CREATE USER app WITH PASSWORD '{odd}';", odd),
        ("mysql-identified", f"GRANT ALL ON x.* TO 'u'@'%' IDENTIFIED BY '{odd}';", odd),
        (
            "slack-hook",
            f"POST https://hooks.slack.com/services/T0ABCDEF1/B0ABCDEF2/{some(rng, B62, 24)}",
            "",
        ),
        ("sentry-dsn", f"SENTRY_DSN=https://{some(rng, HEX, 32)}:{odd}@o1.ingest.sentry.io/4", odd),
        ("x-api-key", f"> X-Api-Key: {odd}", odd),
        ("private-token", f"PRIVATE-TOKEN: {odd}", odd),
        ("npmrc-auth", f"//registry.example.org/:_auth={basic}", basic),
        ("openssl", f"openssl enc -d -pass pass:{odd} -in x.enc", odd),
        ("aws-configure", f"aws configure set aws_secret_access_key {b64[:40]}", b64[:40]),
        ("keystore", f"jarsigner -keystore k.jks -storepass {odd} app.jar", odd),
    ):
        yield Planted(kind, "place", text, (secret or text.rpartition("/")[2],))


def keys(rng: random.Random) -> Iterator[Planted]:
    """Private keys: whole, escaped, indented, without their end, in a service account."""
    lines = [some(rng, STD64, 64) for _ in range(6)]
    begin, end = "-----BEGIN RSA PRIV" + "ATE KEY-----", "-----END RSA PRIV" + "ATE KEY-----"
    whole = "\n".join([begin, *lines, end])
    yield Planted("pem", "plain", whole, tuple(lines))
    yield Planted(
        "pem", "indented", "\n".join(f"    {line}" for line in whole.split("\n")), tuple(lines)
    )
    yield Planted("pem", "truncated", "\n".join([begin, *lines]), tuple(lines))
    yield Planted("pem", "headless", "\n".join([*lines, end]), tuple(lines))
    yield Planted("pem", "escaped", f'"private_key": "{whole}"'.replace("\n", "\\n"), tuple(lines))
    yield Planted(
        "pem",
        "stamped",
        "\n".join(f"2026-02-03T04:05:06.1234567Z {line}" for line in whole.split("\n")),
        tuple(lines),
    )
    yield Planted(
        "pem",
        "base64",
        "KEY_B64=" + base64.b64encode(whole.encode()).decode(),
        (base64.b64encode(whole.encode()).decode(),),
    )
    yield Planted("openssh", "plain", whole.replace("RSA", "OPENSSH"), tuple(lines))
    yield Planted(
        "pgp", "plain", whole.replace("RSA ", "PGP ").replace("KEY-", "KEY BLOCK-"), tuple(lines)
    )


def corpus(rng: random.Random) -> Iterator[Planted]:
    for n, (kind, make) in enumerate(TOKENS.items()):
        for way in (
            TOKEN_WAYS[n % len(TOKEN_WAYS)],
            TOKEN_WAYS[(5 * n + 3) % len(TOKEN_WAYS)],
            NAMED_WAYS[(7 * n) % len(NAMED_WAYS)],
        ):
            yield planted(rng, kind, way, "API_TOKEN", make)
    for n, (kind, (name, make)) in enumerate(NAMED.items()):
        for step in range(4):
            yield planted(rng, kind, NAMED_WAYS[(n + 9 * step) % len(NAMED_WAYS)], name, make)
    for _ in range(2):
        yield from placed(rng)
    yield from keys(rng)


def planted(rng: random.Random, kind: str, way: str, name: str, make: Maker) -> Planted:
    prefix, secret = make(rng)
    value = prefix + secret
    written = quote(value, safe="") if "{u}" in way else value
    text = way.format(
        n=name,
        c=camel(name),
        s=name.lower(),
        k=name.lower().replace("_", "-"),
        v=value,
        j=json.dumps(value)[1:-1],
        u=quote(value, safe=""),
    )
    return Planted(kind, way, text, (written[len(prefix) :],))


def survives(part: str, text: str) -> bool:
    return any(part[at : at + 8] in text for at in range(max(1, len(part) - 7)))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--logs", type=Path, required=True, help="a directory; every *.log below it is read"
    )
    options.add_argument("--seed", type=int, default=1)
    asked = options.parse_args()
    logs = [
        clean.plain(path.read_text(encoding="utf-8", errors="replace"))
        for path in sorted(asked.logs.rglob("*.log"))
    ]
    recall(logs, random.Random(asked.seed))
    false_alarms(logs)


def recall(logs: list[str], rng: random.Random) -> None:
    secrets = list(corpus(rng))
    lost = []
    for secret in secrets:
        lines = rng.choice(logs).split("\n")[:3000]
        lines.insert(rng.randrange(len(lines) + 1), secret.text)
        masked = redact("\n".join(lines)).text
        lost += [secret] if any(survives(part, masked) for part in secret.parts) else []
    kinds, ways = Counter(s.kind for s in secrets), Counter(s.way for s in secrets)
    print(
        f"planted {len(secrets)} secrets of {len(kinds)} kinds in {len(ways)} ways: recall"
        f" {1 - len(lost) / len(secrets):.4f}"
    )
    for secret in lost:
        print(
            f"  survived: {secret.kind:20} {secret.text[:200]!r} ->"
            f" {redact(secret.text).text[:120]!r}"
        )


def false_alarms(logs: list[str]) -> None:
    lines, size = sum(log.count("\n") + 1 for log in logs), sum(map(len, logs))
    began = time.perf_counter()
    masked = [redact(log) for log in logs]
    took = time.perf_counter() - began
    changed = [
        (a, b)
        for log, seen in zip(logs, masked, strict=True)
        for a, b in zip(log.split("\n"), seen.text.split("\n"), strict=True)
        if a != b
    ]
    print(
        f"{lines} untouched lines: {len(changed)} masked,"
        f" {10_000 * len(changed) / max(1, lines):.3f} in 10,000; {size / 1e6 / took:.0f} MB/s"
    )
    for line, seen in dict(changed).items():
        print(f"  masked: {line[:160]!r} -> {seen[:160]!r}")


if __name__ == "__main__":
    main()
