"""Lines that do what no fix needs: a table of patterns. A hard one ends the attempt, a soft one
needs a person.
"""

from __future__ import annotations

from cihealing.guard.lines import JVM, OTHERS, PYTHON, RUBY, SCRIPT, rule

SECRETS = (
    rule(
        "secret",
        "holds what looks like a secret",
        r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
        r"\bgh[pousr]_[A-Za-z0-9]{20}",
        r"\bgithub_pat_[A-Za-z0-9_]{20}",
        r"\bglpat-[A-Za-z0-9_-]{16}",
        r"\bxox[abprs]-[A-Za-z0-9-]{10}",
        r"\bsk-[A-Za-z0-9_-]{20}",
        r"\bsk_live_[A-Za-z0-9]{10}",
        r"\bAIza[A-Za-z0-9_-]{30}",
        r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY",
        r"\beyJ[A-Za-z0-9_-]{10,500}\.eyJ",
        r"\bnpm_[A-Za-z0-9]{30}",
        r"\bpypi-[A-Za-z0-9_-]{40}",
        r"://[^\s/:@\"']{1,100}:[^\s/:@\"'{}$<]{4,100}@",
        r"""(?i:(?:password|passwd|secret|token|api_?key|private_?key)\w{0,20})["']?(?:\s?:\s?\w{1,20})?\s{0,5}[:=]\s{0,5}["']"""
        r"""(?=[^"'\s]{0,100}[0-9])(?=[^"'\s]{0,100}[A-Za-z])[^"'\s{}<>$]{20,200}["']""",
        where="anywhere",
    ),
)

WHOLE_ENVIRONMENT = (
    r"(?:\bos\.environ\b(?!\s*(?:[.\[]))|\bprocess\.env\b(?!\s*[.\[?])|\bos\.Environ\(\)|\bSystem\.getenv\(\)"
    r"|\bENV\.to_h\b|\$_ENV\b|\$_SERVER\b(?!\[))"
)
SHOWN_OR_SENT = (
    r"(?:\bprint\w*|\blog\w*|\bjson\b|\bdumps|\bstringify|\bpost|\bput|\bsend\w*|\bwrite\w*|\burlopen|\bfetch|\bconsole\.\w+"
    r"|\becho|\bcurl|\bPrint\w*|\bdata\s*=)"
)
SENSITIVE = r"(?:TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY|PRIVATE_?KEY)"

EXFILTRATES = (
    rule(
        "exfiltrates",
        "shows or sends what only this machine should know",
        SHOWN_OR_SENT + r".{0,120}" + WHOLE_ENVIRONMENT,
        WHOLE_ENVIRONMENT + r".{0,120}" + SHOWN_OR_SENT,
        r"\b(?:gethostbyname|getaddrinfo|urlopen|requests\.\w+|httpx\.\w+|fetch|axios\S{0,8})\s*\(.{0,120}"
        + SENSITIVE,
        r"(?:^|[;&|]\s*)(?:printenv|export\s+-p|declare\s+-x)\b|(?:^|[;&]\s*)(?:env|set)\s*(?:\||>)",
        r"/dev/(?:tcp|udp)/|\bn(?:c|cat|etcat)\s+.{0,60}-\w*[ec]\b|\bbash\s+-i\b",
        r"\b(?:curl|wget|fetch)\b[^|\n]{0,300}\|\s*(?:sudo\s+)?(?:ba|z|da|k)?sh\b",
        r"\b(?:ba|z)?sh\s+<\(\s*(?:curl|wget)\b",
    ),
    rule(
        "reads-secrets",
        "reads credentials of the machine it runs on",
        r"/proc/(?:self|\d+|\*)/(?:environ|mem|maps)\b",
        r"\.ssh/|\bid_(?:rsa|ed25519|ecdsa)\b",
        r"\.aws/credentials|\.docker/config\.json|\.kube/config|\.git-credentials|(?:^|[/\"'])\.netrc\b|\.config/gcloud",
        r"secrets/kubernetes\.io|/run/secrets/",
        r"/etc/(?:shadow|sudoers)\b",
        r"\b169\.254\.169\.254\b|\bmetadata\.google\.internal\b|\bfd00:ec2::254\b|\b100\.100\.100\.200\b|\b169\.254\.170\.2\b",
    ),
)

OBFUSCATED = (
    rule(
        "obfuscated",
        "runs what it hides",
        r"(?<!re\.)\b(?:exec|eval|Function|compile|system|popen)\s*\(.{0,120}"
        r"(?:b64decode|atob|fromhex|unhexlify|decompress|rot_?13|fromCharCode|(?:\\x[0-7][0-9a-f]){2}|(?:\\u00[0-9a-f]{2}){2})",
        r"\bbase64\s+(?:-d|-D|--decode)\b.{0,60}\|\s*(?:sudo\s+)?(?:ba|z|da)?sh\b|\bxxd\s+-r\b.{0,60}\|\s*(?:ba)?sh\b",
        r"\bmarshal\s*\.\s*loads\b",
        r"\b(?:getattr|__import__|import_module)\s*\(.{0,80}[\"']\s*\+\s*[\"']",
        r"\b(?:globalThis|window|global|self|this)\s*\[\s*[\"'][^\"']{0,40}[\"']\s*\+",
        r"\bconstructor\s*(?:\.|\[\s*.)\s*constructor\b",
        r"__(?:subclasses|globals|builtins|mro|base)__\b.{0,80}(?:\[|\()",
    ),
    rule(
        "obfuscated",
        "spells out letters that could be written",
        r"(?:\\x[2-7][0-9a-fA-F]){5,}|(?:\\u00[2-7][0-9a-fA-F]){4,}|(?:\\[0-7]{3}){5,}",
        r"\bchr\s*\(.{0,30}\bfor\b|\bfromCharCode\s*\(",
        is_hard=False,
    ),
    rule(
        "far-right",
        "goes on far to the right, where nobody looks",
        r"\S[ \t]{120,}\S|^[ \t]{250,}\S",
        raw=True,
    ),
    rule(
        "homoglyph",
        "mixes letters of two scripts that look alike",
        r"(?:[A-Za-z_][0-9A-Za-z_]{0,60}[аеорсухіјѕһԁԛԝАВЕКМНОРСТУХІЈЅοΟνΑΒΕΖΗΙΚΜΝΡΤΥΧ])|(?:[аеорсухіјѕһԁԛԝАВЕКМНОРСТУХІЈЅοΟνΑΒΕΖΗΙΚΜΝΡΤΥΧ][0-9A-Za-z_]{0,60}[A-Za-z_])",
        suffixes=(*PYTHON, *SCRIPT, *JVM, *RUBY, *OTHERS, ".go", ".rs", ".sh"),
    ),
)

INSECURE = (
    rule(
        "insecure",
        "switches off a check of encryption",
        r"\bverify\s*[=:]\s*(?:False|false|0)\b",
        r"\brejectUnauthorized\b[\"']?\s*[:=]\s*(?:false|0)|\bNODE_TLS_REJECT_UNAUTHORIZED\b|\bstrict-ssl\b.{0,8}false",
        r"\bInsecureSkipVerify\s*:\s*true|\bdanger_accept_invalid_\w+\(\s*true",
        r"\bCERT_NONE\b|\b_create_unverified_context\b|\bcheck_hostname\s*=\s*False",
        r"\bsslVerify\s*=?\s*false|\bGIT_SSL_NO_VERIFY\b|--no-check-certificate\b|\bcurl\b.{0,80}\s(?:-k|--insecure)\b|--trusted-host\b",
        r"\bVERIFYPEER\b.{0,20}(?:false|0)|\bTrustAll\w*|\bALLOW_ALL_HOSTNAME\w*|\bServerCertificateValidationCallback\b",
    ),
    rule(
        "insecure",
        "opens something to those who should not reach it",
        r"\bpickle\b|\byaml\.load\b(?!.{0,80}Safe)|\bUnsafeLoader\b|\bunserialize\s*\(|\bObjectInputStream\b|\bMarshal\.load\b",
        r"\bshell\s*[=:]\s*(?:True|true)\b",
        r"(?i:\b(?:select|insert|update|delete)\b.{1,120}(?:%s[\"']\s*%|\"\s*\+|'\s*\+|\$\{|\{\w+\}))",
        r"[\"'](?:md5|sha1|des|rc4)[\"']|\b(?:md5|sha1)\s*\(",
        r"\brandom\.(?:random|choice|randint)\b|\bMath\.random\b",
        r"(?i:cors\w*allow\w*all\w*|access-control-allow-origin.{0,8}\*|allow_origins\s*=\s*\[\s*.\*)",
        r"\bALLOWED_HOSTS\b.{0,12}\*|\bDEBUG\s*=\s*True\b|\bcsrf_exempt\b|\bAllowAny\b|\bpermission_classes\s*=\s*(?:\[\s*\]|\(\s*\))",
        r"\b0?o?777\b|\bchmod\b.{0,20}\ba\+\w*w",
        r"\bdangerouslySetInnerHTML\b|\binnerHTML\s*=|\bmark_safe\s*\(|\|\s*safe\b|\bhtml_safe\b",
        is_hard=False,
    ),
    rule(
        "active-content",
        "makes a page run something",
        r"<script\b|\son\w{3,20}\s*=\s*[\"']|javascript:",
        where="anywhere",
        suffixes=(".html", ".htm", ".svg", ".xml", ".xhtml", ".md"),
        is_hard=False,
    ),
)

DESTROYS = (
    rule(
        "destroys",
        "deletes what it was not given",
        r"\brm\s+(?:-\w+\s+)*-\w*[rRf]\w*\s+(?:-\w+\s+)*[\"']?(?:/(?:\s|$|\*)|~|\$HOME\b|\*|\.\.|/(?:etc|usr|var|home|root|bin|lib)\b)",
        r"\b(?:rmtree|removeSync|rmSync|rmdirSync|remove_dir_all|RemoveAll|rm_rf|deleteDirectory)\s*\(\s*[\"'](?:/|~|\.\.)",
        r":\s*\(\s*\)\s*\{\s*:\s*\|\s*:",
        r"\bmkfs\b|\bdd\b.{0,60}\bof=/dev/|>\s*/dev/sd[a-z]\b",
        r"\bgit\s+push\b.{0,60}(?:--force\b|\s-f\b|--mirror\b|--delete\b)",
    ),
)

POWERS = (
    rule(
        "power",
        "reaches for the shell, the network or generated code",
        r"\b(?:eval|exec|compile|__import__)\s*\(",
        r"\b(?:subprocess|socket|ctypes|pickle|importlib|child_process|base64|urllib|httpx|unsafe)\b",
        r"\bos\s*\.\s*(?:system|popen|environ)\b",
        r"\bnew\s+Function\b",
        r"\b(?:curl|wget|nc)\s",
        r"\brequests\s*\.",
        r"\bRuntime\.getRuntime\b",
        is_hard=False,
    ),
    rule(
        "catches-everything",
        "catches every exception",
        r"^\s*except\s*(?:\(?\s*(?:Base)?Exception\b[^:\n]{0,100})?:",
        r"\bcatch\s*\(\s*(?:final\s+)?(?:Throwable|Exception|\.\.\.)",
        r"^\s*rescue\s*(?:=>\s*\w+)?$",
        r"\bsuppress\s*\(",
        is_hard=False,
    ),
    rule(
        "loosens-type",
        "gives up on a type",
        r"\bas\s+(?:any|unknown\s+as)\b|:\s*any\b|<any>",
        r"\bcast\s*\(\s*[\"']?(?:typing\.)?Any\b",
        suffixes=(*PYTHON, *SCRIPT),
        is_hard=False,
    ),
    rule(
        "waits",
        "waits or tries again",
        r"\bsleep\s*\(",
        r"\bretry|\bretries\b",
        r"\bsetTimeout\s*\(",
        is_hard=False,
    ),
)

RULES = (*SECRETS, *EXFILTRATES, *OBFUSCATED, *INSECURE, *DESTROYS, *POWERS)
