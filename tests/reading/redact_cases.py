"""Texts with secrets at every place a rule looks at and just beside it; built from pieces, so that
no scanner takes this for a leak.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

B62 = "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dF3gH5jK7mP9rS2tU4wX6zA8cD1eF3hG5jL7nM9pQ2rT4vU6xY8"
HEX = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
KEY_LINE = B62[:64]
HEAD, FOOT = "-----BEGIN RSA PRIVATE" + " KEY-----", "-----END RSA PRIVATE" + " KEY-----"
KNOWN = "Sup3r+S3cr3t/Välue"

Case = tuple[str, str, tuple[str, ...]]
"""Name, text, known values."""


def cases() -> Iterator[Case]:
    for part in (keys, known, named, placed, tokens, bounds):
        yield from part()


def keys() -> Iterator[Case]:
    body = "\n".join([KEY_LINE] * 3)
    yield "key: whole", f"a\n{HEAD}\n{body}\n{FOOT}\nb", ()
    yield "key: one line of body", f"{HEAD}\n{KEY_LINE}\n{FOOT}", ()
    yield "key: empty", f"{HEAD}\n{FOOT}", ()
    yield "key: in one line", f'"{HEAD}\\n{KEY_LINE}\\n{KEY_LINE}\\n{FOOT}\\n" rest', ()
    yield "key: without end", f"a\n{HEAD}\n{body}\nnot of the key\n{KEY_LINE}", ()
    yield "key: without end, short tail", f"{HEAD}\n{KEY_LINE}\nQUJD=\nplain words follow here", ()
    yield "key: without end, gap", f"{HEAD}\n\n{KEY_LINE}\n\n{KEY_LINE}\nplain words", ()
    yield "key: without end, two gaps", f"{HEAD}\n\n\n{KEY_LINE}", ()
    yield "key: without end, one character between", f"{HEAD}\nx\n{KEY_LINE}\nwords", ()
    yield "key: without end, two characters between", f"{HEAD}\nxy\n{KEY_LINE}\nwords", ()
    yield "key: without end, last of the text", f"{HEAD}\n{KEY_LINE}", ()
    yield "key: without end, on the line", f"{HEAD} {KEY_LINE} {KEY_LINE} then", ()
    for length in (14, 15, 16, 17):
        yield f"key: without end, {length} characters", f"{HEAD}{B62[:length]}!", ()
    yield "key: without end, text on the line", f"{HEAD} and words about it!\n{KEY_LINE}", ()
    yield "key: without begin", f"words of before\n{body}\n{FOOT}\nafter", ()
    yield "key: without begin, first of the text", f"{KEY_LINE}\n{FOOT} after", ()
    yield "key: without begin, one line above", f"x\n{KEY_LINE}\n{FOOT}", ()
    yield "key: without begin, nothing above", f"words\n{FOOT}\nafter", ()
    yield "key: without begin, alone", f"{FOOT}", ()
    for length in (22, 23, 24, 25):
        yield f"key: without begin, {length} characters before", f"word {B62[:length]}{FOOT} x", ()
    yield "key: without begin, escaped breaks", f"v: {KEY_LINE}\\n{KEY_LINE}\\n{FOOT}\\n", ()
    yield (
        "key: headers",
        f"{HEAD}\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,AB12\n\n{body}\n{FOOT}\nz",
        (),
    )
    yield (
        "key: headers, without end",
        f"{HEAD}\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,AB12\n\n{body}\nz z z",
        (),
    )
    yield (
        "key: prefixed lines",
        "\n".join(f"12:00 | {line}" for line in (HEAD, KEY_LINE, KEY_LINE, FOOT)),
        (),
    )
    yield (
        "key: quoted lines",
        "\n".join(f'  "{line}" +' for line in (HEAD, KEY_LINE, KEY_LINE, FOOT)),
        (),
    )
    yield "key: half of it is text", f"{HEAD}\n{KEY_LINE}\nthis is text.\n{FOOT}", ()
    yield (
        "key: more than half is text",
        f"{HEAD}\n{KEY_LINE}\nthis is text.\nand more. text\n{FOOT}",
        (),
    )
    yield "key: only a mention", f"the file begins with {HEAD} and ends with {FOOT}", ()
    yield "key: two of them", f"{HEAD}\n{body}\n{FOOT}\nbetween\n{HEAD}\n{body}\n{FOOT}", ()
    yield "key: the first without end", f"{HEAD}\n{body}\n{HEAD}\n{body}\n{FOOT}", ()
    yield (
        "key: PuTTY",
        (
            "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPublic-Lines:"
            f" 1\n{KEY_LINE}\nPrivate-MAC: {HEX}\nz"
        ),
        (),
    )
    yield (
        "key: PuTTY, cut off",
        f"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n{KEY_LINE}\nz z",
        (),
    )
    yield (
        "key: a certificate",
        f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----",
        (),
    )
    yield (
        "key: short marks",
        (
            f"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nComment: x\n{body}\n---- END SSH2"
            " ENCRYPTED PRIVATE KEY ----"
        ),
        (),
    )
    for before in ("2026-01-01T00:00:00Z ", "| ", "  > ", "a b c ", ""):
        whole = "\n".join(
            [f"{before}{HEAD}", *[f"{before}{KEY_LINE}"] * 2, f"{before}words at last"]
        )
        yield f"key: without end, lines behind {before!r}", whole, ()
        whole = "\n".join(
            [f"{before}words at first.", *[f"{before}{KEY_LINE}"] * 2, f"{before}{FOOT}"]
        )
        yield f"key: without begin, lines behind {before!r}", whole, ()
    yield "key: without end, trailing blanks", f"{HEAD}\n{KEY_LINE}  \n{KEY_LINE}\t\nwords", ()
    yield "key: without end, one character last", f"{HEAD}\n{KEY_LINE}\nx", ()
    yield "key: without end, a break last", f"{HEAD}\n{KEY_LINE}\n", ()
    yield "key: without end, a short line, then none", f"{HEAD}\n{KEY_LINE}\n\nno key here", ()
    yield "key: without begin, second line of the text", f"{KEY_LINE}\n{KEY_LINE}\n{FOOT}", ()
    yield "key: without begin, one character first", f"x\n{KEY_LINE}\n{KEY_LINE}\n{FOOT}", ()
    yield "key: without begin, a break first", f"\n{KEY_LINE}\n{FOOT}", ()
    yield "key: without begin, a long line above", "w" * 1990 + f" {B62[:40]}\n{FOOT}", ()
    for lines in (399, 400, 401):
        yield f"key: {lines} lines", f"{HEAD}\n" + f"{KEY_LINE}\n" * lines + f"{FOOT}\nend", ()
    yield "key: redacted before", f"{HEAD}\n[redacted:private-key:ab12]\n{FOOT}", ()


def known() -> Iterator[Case]:
    words = (KNOWN,)
    code = base64.b64encode(KNOWN.encode()).decode()
    yield "known: as it is", f"a {KNOWN} b {KNOWN}.", words
    yield "known: over two lines", f"a {KNOWN[:5]}\n{KNOWN[5:]} b\nc", words
    yield (
        "known: over four lines",
        f"a\n{KNOWN[:5]}\n{KNOWN[5:8]}\n{KNOWN[8:12]}\n{KNOWN[12:]}\nc",
        words,
    )
    yield "known: at the end of a line", f"a {KNOWN}\nb", words
    yield (
        "known: URL",
        "Sup3r%2BS3cr3t%2FV%C3%A4lue Sup3r%2bS3cr3t%2fV%c3%a4lue Sup3r%2BS3cr3t/V%C3%A4lue",
        words,
    )
    yield "known: JSON", "Sup3r+S3cr3t/V\\u00e4lue Sup3r+S3cr3t/V\\\\u00e4lue", words
    yield "known: base64", f"{code} {code.rstrip('=')}", words
    for before in (1, 2, 3):
        inner = base64.b64encode(b"x" * before + KNOWN.encode() + b"tail").decode()
        yield f"known: base64 behind {before}", inner, words
    yield "known: base64 of URLs", base64.urlsafe_b64encode(b"??>" + KNOWN.encode()).decode(), words
    for length in (6, 7, 8, 9):
        yield f"known: {length} characters", f"x{B62[:length]}x {B62[:length]}", (B62[:length],)
    yield "known: blanks around", f"({B62[:8]})", (f"  {B62[:8]} ",)
    yield "known: blanks count not", f"({B62[:7]})", (f" {B62[:7]} ",)
    yield (
        "known: of several lines",
        f"{B62[:12]} {B62[20:32]} {B62[:12]}{B62[20:32]} {B62[:12]}X{B62[20:32]}",
        (f"{B62[:12]}\n{B62[20:32]}",),
    )
    yield "known: one in the other", f"{B62[:20]} {B62[:10]}", (B62[:10], B62[:20])
    yield "known: XML", 'a&lt;b&amp;c&quot;dd a<b&c"dd a<b&amp;c', ('a<b&c"dd',)
    yield "known: quotes", "it's'8888 it\\'s\\'8888", ("it's'8888",)
    yield (
        "known: blanks in URLs",
        "Top%20S3cret%2Fx9 Top+S3cret%2Fx9 Top%20S3cret/x9 Top%20S3cret%2fx9",
        ("Top S3cret/x9",),
    )
    yield "known: half a letter", "%3Fabcdefghi ?abcdefghi \\ud800abcdefghi", ("\ud800abcdefghi",)
    for escape in ("\\'", "'\\''", "'\"'\"'", "''"):
        yield f"known: a quote as {escape}", f"a'b1234567 a{escape}b1234567", ("a'b1234567",)
    yield (
        "known: unseen letters",
        "bell\\x07abcdef bell\\u0007abcdef bell\x07abcdef",
        ("bell\x07abcdef",),
    )
    yield (
        "known: quotes in JSON",
        'quo\\"te-ä-123 quo\\"te-\\u00e4-123 quo\\\\\\"te-\\\\u00e4-123',
        ('quo"te-ä-123',),
    )
    dense = "~~~???>>>ÿÿÿ~~~???"
    for before in range(4):
        raw = b"x" * before + dense.encode() + b"tail"
        yield (
            f"known: base64 with signs behind {before}",
            f"{base64.b64encode(raw).decode()} {base64.urlsafe_b64encode(raw).decode()}",
            (dense,),
        )
    yield (
        "known: half a letter in base64",
        base64.b64encode(b"?abcdefghi").decode(),
        ("\ud800abcdefghi",),
    )
    for length in (7, 8, 9, 10, 11):
        yield (
            f"known: base64 of {length}",
            base64.b64encode(B62[:length].encode()).decode()
            + " "
            + base64.b64encode(b"xy" + B62[:length].encode()).decode(),
            (B62[:length],),
        )
    yield "known: a marker is none", "[redacted:known:ab12] x", ("[redacted:known:ab12]",)
    yield "known: nothing", "nothing", ("",)


NAMES = (
    "DB_PASSWORD",
    "password",
    "userPassword",
    "pass",
    "db_pass",
    "API_KEY",
    "apiKey",
    "SECRET_KEY_BASE",
    "secret",
    "TOKEN",
    "token",
    "authToken",
    "session_id",
    "auth",
    "PUBLIC_KEY",
    "cache_key",
    "token_count",
    "TOKENIZER_PATH",
    "key",
    "LICENSE_KEY",
    "SIGNING_KEY_V2",
    "passphrase",
    "password_file",
    "SOME_TOKEN_THING",
    "pat",
    "credentials",
    "xpwd",
    "sessid",
)
VALUES = (
    "hunter2",
    "hunter22x",
    "correcthorse",
    "aB3dE5gH7jK9mN1pQ3sT",
    "true",
    "${SECRET}",
    "***",
    "12345678",
    "abc",
    "correct-horse-battery-staple",
    "os.environ",
    "p@ss!w0rd",
    "some words",
    "/etc/x",
    "sha256:" + HEX,
)


def named() -> Iterator[Case]:
    for name in NAMES:
        for value in ("hunter22x", "aB3dE5gH7jK9mN1pQ3sT", "correcthorse"):
            for form in (
                "{n}={v}",
                "{n}: {v}",
                '"{n}": "{v}"',
                "--{n} {v}",
                "{n} {v}",
                "{n} = '{v}'",
                "<{n}>{v}</{n}>",
                "{n} is {v}",
                "{n} | {v} |",
            ):
                text = form.format(n=name, v=value)
                yield f"named: {name} {value[:6]} {form}", text, ()
    for value in VALUES:
        for form in (
            "DB_PASSWORD={v}",
            "api_token: {v}",
            '{{"clientSecret": "{v}"}}',
            "--auth-token={v}",
            "password: '{v}'",
            "env TOKEN {v}",
        ):
            yield f"named: value {value[:12]} {form}", form.format(v=value), ()
    for text in (
        "DB_PASSWORD=hunter22x;Encrypt=yes",
        "?token=aB3dE5gH7jK9mN1pQ3sT&page=2",
        "password=hunter22x, user=ann",
        "{password: hunter22x}",
        "(secret=aB3dE5gH7jK9)",
        "DB_PASSWORD=hunter22x\\nNEXT=1",
        "token=aB3dE5gH7jK9(x)",
        "unexpected token: aB3dE5gH7jK9",
        "name: API_TOKEN, value: aB3dE5gH7jK9mN",
        '- name: DB_PASSWORD\n  value: "hunter22x"',
        "export SECRET_TOKEN=aB3dE5",
        "set -gx API_KEY aB3dE5gH7jK9mN1p",
        "machine h login u password hunter22x",
        "ALTER USER x PASSWORD 'hunter22x'",
        "token%3DaB3dE5gH7jK9mN",
        "a[password]=hunter22x",
        "password&quot;:&quot;hunter22x&quot;",
        r"\"password\":\"hunter22x\"",
        "private key aB3dE5gH7jK9mN1pQ3sT",
        "api key: aB3dE5gH7jK9mN1pQ3sT",
        "API key 'aB3dE5gH7jK9mN'",
        "PASSWORD:\nhunter22x",
        "password hunter22x",
        "    password hunter22x",
        "password==hunter22x",
        "password!=hunter22x",
        "Password for ann: hunter22x",
        "a.password -> hunter22x",
        "passwords: 12",
        "Token => aB3dE5gH7jK9mN1p",
    ):
        yield f"named: {text[:40]!r}", text, ()


def placed() -> Iterator[Case]:
    for number, text in enumerate(
        (
            "postgresql://app:pa55w0rdX@db.local:5432/shop",
            "https://ann@h.example/",
            "https://ann:@h.example",
            "https://" + B62[:40] + "@h.example/x",
            "https://ann:ann@h.example",
            "https://ann:ab@h.example",
            "https://ann:abc@h.example",
            "https://x:" + B62[:20] + "@github.com/a@b",
            "redis://:pa55w0rdX@r:6379/0",
            "https://a:p/a55w0rdX9@h/",
            "https://" + B62[:24] + ":x-oauth-basic@github.com",
            "mailto:ann@h.example",
            "git@github.com:a/b",
            "amqp://u:p%40ss9x@h",
            "scott/t1gerX99@//db:1521/x",
            "Authorization: Bearer " + B62[:24],
            "authorization: basic dXNlcjpwYXNzd29yZA==",
            "Authorization: token " + B62[:24],
            "Authorization: Negotiate",
            "X-Api-Key: " + B62[:20],
            "x-auth-token: " + B62[:20],
            "Proxy-Authorization: Digest abc",
            "PRIVATE-TOKEN: " + B62[:20],
            "Cookie: a=1; sessionid=" + B62[:24] + "; theme=dark",
            "Set-Cookie: sid=" + B62[:24] + "; Path=/; HttpOnly; Expires=Wed",
            "curl -u ann:pa55w0rdX https://h",
            "curl --user ann:pa55w0rdX x",
            "curl -uann:pa55w0rdX x",
            "mysql -upa -ppa55w0rdX db",
            "mysql -p pa55w0rdX",
            "docker login -u a -p pa55w0rdX r",
            "sshpass -p pa55w0rdX ssh h",
            "echo pa55w0rdX9 | docker login --password-stdin",
            "psql -W pa55w0rdX",
            "openssl enc -k pa55w0rdX9",
            "ls -p pa55w0rdX",
            "redis-cli -a pa55w0rdX9 ping",
            "AccountKey=" + base64.b64encode(B62[:60].encode()).decode() + ";End",
            "SharedAccessSignature=sv=2020&sig=" + B62[:40] + "%3D",
            "https://x.blob.example/c?sv=1&sig=" + B62[:43] + "%3D&se=2",
            "https://s3.example/k?X-Amz-Signature="
            + HEX
            + "&X-Amz-Credential=AKIA"
            + "Z7Q2M4N8P6R3T5V9%2F1",
            "https://h/?access_token=" + B62[:24],
            "https://h/?api_key=" + B62[:24] + "#x",
            "https://hooks.slack.com/services/T0000/B0000/" + B62[:24],
            "https://discord.com/api/webhooks/123456789012345678/" + B62[:68],
            "//registry.npmjs.org/:_authToken=" + B62[:36],
            "_auth=" + base64.b64encode(b"ann:pa55w0rdX").decode(),
            "//h/:_password=" + base64.b64encode(b"pa55w0rdX").decode(),
            "wget --http-password=pa55w0rdX u",
            "ansible-vault --vault-password-file x",
            "az login -p pa55w0rdX9 --tenant t",
            "Authorization: Basic " + base64.b64encode(b"ann:pw").decode(),
            "Authorization: Basic " + base64.b64encode(b"ann:pw").decode().rstrip("="),
            "Authorization: Basic " + base64.b64encode(b"no colon here").decode(),
            "Authorization: Basic " + base64.b64encode(b"a:\x00\x01\x02\xff").decode(),
            "basic " + base64.b64encode(b"ann:pw").decode().rstrip("="),
            "basic " + base64.b64encode(b"ann:pwd").decode().rstrip("="),
            "basic " + base64.b64encode(b"ann:pwdd").decode().rstrip("="),
            "basic " + base64.b64encode(b"a:\xff\xfe").decode(),
            "basic dXNlcjpwYXNz*",
            "basic training of dogs",
            "Authorization: Bearer " + B62[:15],
            "Authorization: Bearer " + B62[:16],
            "bearer " + B62[:16],
            "bearer " + B62[:15],
            "bearer abcdefghijklmnopqrst",
            "https://u:test@h.example",
            "https://u:TEST@h.example",
            "https://u:xxx@h.example",
            "https://u:x1y@h.example",
            "https://u:${PW}@h",
            "https://a:b/c9d8e7f6g5@h/p@q",
            "https://a:8080/path@h",
            "https://a:8080/c9d8e7f6g5@h",
            "https://a/b:c9d8e7f6g5@h",
            "https://a:p/c9d8e7f6g5x@h/@z",
            "https://a:12/c9d8e7f6g5x@h",
            "https://a:c9d8:e7f6g5/x@h",
            "https://" + B62[:20] + ":@h",
            "https://" + B62[:20] + ":x-oauth-basic@h",
            "https://" + B62[:20] + ":realpw99@h",
            "https://" + B62[:15] + "@h",
            "https://" + B62[:16] + "@h",
            "x@y https://u:p4ssw0rd@h",
            "mysql -u root -p123456 db",
            "mysql -u root -p12345 db",
            "mysql -u root -pshop db",
            "curl h; ls -u ann:pa55w0rdX",
            "ls -u ann:pa55w0rdX; curl h",
            "curl -u ann:word h",
            "curl -u ann:correct-horse-battery-staple h",
            "sqlcmd -P pa55w0rdX -U sa",
            "Cookie: a=" + B62[:24] + "; b=" + B62[24:48] + "\nx=" + B62[:24],
            "cookie=" + B62[:24],
            "Set-Cookie: expires=" + B62[:24] + "; path=" + B62[:24],
            "Cookie: sid=" + B62[:24] + " " + "w " * 1990 + "late=" + B62[:24],
            "cookie: \n sid=" + B62[:24],
            "cookie: ",
            "signature=" + B62[:32],
            "signature=" + B62[:31],
            "?sig=" + B62[:20],
            "?sig=" + B62[:19],
            "asig=" + B62[:20],
            "IDENTIFIED BY 'pa55w0rdX'",
            "::add-mask::pa55w0rdX",
            "ConvertTo-SecureString pa55w0rdX -AsPlainText",
            "vault login " + B62[:24],
            "vault login abc",
            "openssl -passin pass:pa55w0rdX",
            "htpasswd -b f ann pa55w0rdX",
            "##vso[task.setvariable variable=x;issecret=true]pa55w0rdX",
        )
    ):
        yield f"placed: {number} {text[:48]!r}", text, ()
        yield (
            f"placed inside: {number} {text[:48]!r}",
            f"2026-01-01 12:00:00 INFO [{text}] done\nnext {text}\n",
            (),
        )


SAMPLES = (
    "gh" + "p_" + B62[:36],
    "gh" + "s_" + B62[:19],
    "gh" + "s_" + B62[:20],
    "github" + "_pat_" + B62[:22],
    "glp" + "at-" + B62[:16],
    "glp" + "at-" + B62[:15],
    "GR1348941" + B62[:20],
    "AK" + "IA" + "Z7Q2M4N8P6R3T5V9",
    "AK" + "IA" + "Z7Q2M4N8P6R3T5V9X",
    "AI" + "za" + B62[:35],
    "AI" + "za" + B62[:34],
    "xo" + "xb-" + B62[:10],
    "sk_" + "live_" + B62[:10],
    "sk_" + "live_" + B62[:9],
    "np" + "m_" + B62[:36],
    "np" + "m_" + B62[:35],
    "np" + "m_" + B62[:37],
    "SG" + "." + B62[:16] + "." + B62[:32],
    "hv" + "s." + B62[:20],
    "dck" + "r_pat_" + B62[:20],
    "dop" + "_v1_" + HEX,
    "sq" + "0atp-" + B62[:22],
    "sk-" + "ant-" + B62[:20],
    "sk-" + "proj-" + B62[:20],
    "sk-" + B62[:32],
    "ey" + "JhbGciOiJIUzI1NiJ9.ey" + "JzdWIiOiIxMjM0NTYifQ." + B62[:20],
    "MT" + B62[:22] + "." + B62[:6] + "." + B62[:27],
    "abc" + "1Q~" + B62[:31],
    "S" + "K" + HEX[:32],
    HEX[:32] + "-us12",
    "12345678" + ":AA" + B62[:33],
    "s." + B62[:24],
    "pat" + B62[:14] + "." + HEX,
    B62[:14] + ".atlasv1." + B62[:60],
    HEX,
    HEX[:40],
    B62[:50],
    "hf" + "_" + B62[:34],
    "rnd" + "_" + B62[:30],
    "age" + B62[:50],
    "LS0tLS1CRUdJTi" + B62[:60],
    "glc" + "_" + B62[:32],
    "ATBB" + B62[:32],
    "dapi" + HEX[:32],
)


def tokens() -> Iterator[Case]:
    for number, sample in enumerate(SAMPLES):
        for form in (
            "{}",
            "\\t{}",
            "\\r{}",
            "\\u0022{}",
            "[32m{}",
            ";1m{}",
            "a.{}",
            "a {} b",
            "'{}'",
            "/{}",
            "+{}",
            "x{}",
            "\\n{}",
            "%3D{}",
            "\x1b[32m{}\x1b[0m",
            "{}.",
            "{},{}",
            "a_{}",
            "-{}",
            "{}x9",
        ):
            yield f"token: {number} {form!r}", form.format(*[sample] * form.count("{}")), ()


def bounds() -> Iterator[Case]:
    yield "bounds: empty", "", ()
    yield "bounds: twice redacted", "DB_PASSWORD=[redacted:password:ab12]x9y8z7", ()
    yield "bounds: beside a marker", "[redacted:secret:ab12]" + "gh" + "p_" + B62[:36], ()
    yield "bounds: a marker between", "TOKEN=" + B62[:12] + "[redacted:secret:ab12]" + B62[:12], ()
    yield "bounds: behind a long line", "x" * 5000 + " DB_PASSWORD=hunter22x\n" + "y" * 5000, ()
    yield (
        "bounds: at the end of a chunk",
        "z " * 65534
        + "DB_PASSWORD=hunter22x\nPASSWORD=hunter33y\n"
        + "z " * 40
        + "TOKEN="
        + B62[:20],
        (),
    )
    yield "bounds: many on a line", " ".join(f"k{n}_token={B62[n : n + 20]}" for n in range(40)), ()
    for text in (
        "<password>hunter22x</password>",
        "a < b > password>hunter22x",
        "<a><password>hunter22x",
        "x" * 119 + "<password>hunter22x",
        "<" + "x" * 119 + "password>hunter22x",
        "PASSWORD 'word'",
        "password hunter2x",
        "API key 'aB3dE5gH7jK9'",
        "API key 'aB3dE5gH7jK'",
        "unexpected deployToken aB3dE5gH7jK9mN1pQ3sT",
        "x" * 40 + " deployToken aB3dE5gH7jK9mN1pQ3sT",
        "unexpected " + "x" * 12 + " myToken aB3dE5gH7jK9mN1pQ3sT",
        "ENV DB_TOKEN aB3dE5gH7jK9",
        "x" * 90 + "env TOKEN aB3dE5gH7jK9",
        "a\n   password aB3dE5gH7",
        "a\n   secret aB3dE5gH7",
        "--token -x",
        "--token word",
        "setenv API_KEY\naB3dE5gH7jK9mN1pQ3sT",
    ):
        yield f"named at bounds: {text[:60]!r}{len(text)}", text, ()
    for text in (
        "secret: unexpected token: aB3dE5gH7jK9",
        "unexpected password: hunter22x",
        "parse error near token: aB3dE5gH7jK9mN",
        "x" * 31 + "unexpected token: aB3dE5gH7jK9mN",
        "unexpected" + " " * 21 + "token: aB3dE5gH7jK9mN",
        "unexpected xxxxx token: aB3dE5gH7jK9mN",
        "<a>b</a> password>hunter22x",
        "a > b < password>hunter22x",
        "> <password>hunter22x",
        "--password -hunter2x",
        "--token -aB3dE5gH7jK9",
        "mypassword 'wordonly'",
        "my_password wordonly",
        "my_password 'word1only'",
        "unexpected end authToken aB3dE5gH7jK9mN1pQ3sT",
        "next authToken aB3dE5gH7jK9mN1pQ3sT",
        "current authToken aB3dE5gH7jK9mN1pQ3sT unexpected",
        "authToken aB3dE5gH7jK9mN1pQ3sT",
        "\n  password 'wordonly'",
        "x password wordonly1",
        "\n    PASSWORD wordonly",
        "name: db_password, value: some words",
        'name: "DB_PASSWORD", value: "some words"',
        '- name: PW_TOKEN\n  value: "aB3dE5gH7jK9"',
        "basic YTpi",
        "basic YTpiYw",
        "basic YTpiY2Q=x",
        "basic YTpi*YzEyMzQ1",
        "https://a:p4ss@h/b/c@d",
        "https://a:x/y/z1Q9w8e7@h",
        "https://a:1/z1Q9w8e7@h:2",
        "https://a:b1c2d3e4:5/z1Q9@h",
    ):
        yield f"named and placed at bounds: {text[:60]!r}", text, ()
    for value in (
        "abcdefg",
        "abcdefgh",
        "abcdefghi",
        "Abcdefgh",
        "abcDefgh",
        "abc-def",
        "abc-def-ghi",
        "abc-def-ghi-jkl",
        "abc def gh",
        "ab1cd",
        "ab1cde",
        "ab1cdef",
        "abc_def",
    ):
        for form in (
            '"password": "{}"',
            "password: {}",
            "password = '{}'",
            "| password | {} |",
            "password: '{}'",
        ):
            yield f"named word: {value} as {form}", form.format(value), ()
    for before in (
        "unexpected ",
        "unexpected end ",
        "an unexpected ",
        "x" * 18 + " unexpected ",
        "x" * 19 + " unexpected ",
        "unexpected " + "y" * 12 + " ",
        "unexpected " + "y" * 13 + " ",
        "",
    ):
        yield f"named: {before!r} before a token", f"{before}token {B62[:20]}", ()
        yield f"named: {before!r} before a token, with a colon", f"{before}token: {B62[:20]}", ()
        yield f"named: a token before {before!r}", f"token {B62[:20]} {before}", ()
    secret = "gh" + "p_" + B62[:36]
    yield "token: a marker right behind", f"{secret}[redacted:known:ab12]", ()
    yield "token: a marker right before", f"[redacted:known:ab12]{secret}", ()
    yield "token: two side by side", f"{secret}_{secret}", ()
    yield "token: a mask", "gh" + "p_" + "x" * 36, ()
    yield "token: half a mask", "gh" + "p_" + "x" * 20 + "***" + "x" * 16, ()
    yield "token: sixteen words before", "_".join(["w"] * 14) + "_" + secret, ()
    yield "token: too many words before", "_".join(["w"] * 20) + "_" + secret, ()
    yield "token: behind base64", f"{B62[:60]}/{secret}", ()
    yield "token: at the second place", f"/{secret}", ()
    yield "bounds: half a letter in a secret", "DB_PASSWORD=hunter2\ud800x", ()
    names = (
        "mypasswd",
        "mypassphrase",
        "mypwd",
        "mysecret",
        "mytoken",
        "myapikey",
        "mysecretkey",
        "myaccesskey",
        "myprivatekey",
        "myauthkey",
        "MYPASSWD",
        "MYPASSPHRASE",
        "MYAPIKEY",
        "MYSECRETKEY",
        "MYACCESSKEY",
        "MYPRIVATEKEY",
        "MYAUTHKEY",
        "mysessionid",
        "mysessid",
        "phpsessid",
        "PHPSESSID",
        "session_id",
        "SESSION",
        "my_session_id",
        "a_sid",
        "api_keys",
        "API_KEYS",
        "keys",
        "FOO_KEY",
        "foo_key",
        "FOO_KEYS",
        "FOO",
        "KEY",
        "TOKEN_FOO",
        "TOKEN_ID",
        "SECRET_THING",
        "secret_thing",
        "TOKEN_V",
        "test_password",
        "password_test",
        "v2",
        "V_2",
        "token_2",
        "secret_v2_old",
        "key_2",
        "AUTH_2",
        "redis.requirepass",
        "REQUIREPASS",
        "auth",
        "AUTH",
        "my-auth",
        "basicAuth",
    )
    for name in names:
        for value in (B62[:12], B62[:11], "aB3dE5gH7jK=", "word"):
            for form in ("{}={}", "{}: {}", '"{}": "{}"', "{} {}", "{} '{}'", "--{} {}"):
                yield f"named {name} {value} {form}", form.format(name, value), ()
    for text in (
        "api key '" + B62[:12] + "'",
        "x" * 5 + "subscription key '" + B62[:12] + "'",
        "x api key='" + B62[:12] + "'",
        "my subscription key=" + B62[:12],
        "key=" + B62[:12],
    ):
        yield f"named: a word before the key {text[:30]!r}", text, ()
