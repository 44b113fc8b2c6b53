"""Names of the standard library that mean one thing to nearly everybody, as data.

Left out on purpose: what exists in more than one place and is used in both ways (`dumps`, `join`,
`walk`, `run`).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

WELL_KNOWN: Mapping[str, str] = {
    name: module
    for module, names in {
        "abc": "ABC ABCMeta abstractmethod",
        "argparse": "ArgumentParser Namespace",
        "collections": "ChainMap Counter OrderedDict defaultdict deque namedtuple",
        "collections.abc": (
            "AsyncIterable AsyncIterator Awaitable Callable Coroutine Generator Hashable Iterable"
            " Iterator Mapping MutableMapping MutableSequence MutableSet Sequence"
        ),
        "concurrent.futures": "ProcessPoolExecutor ThreadPoolExecutor as_completed",
        "configparser": "ConfigParser",
        "contextlib": (
            "ExitStack asynccontextmanager closing contextmanager nullcontext redirect_stderr"
            " redirect_stdout suppress"
        ),
        "copy": "deepcopy",
        "csv": "DictReader DictWriter",
        "ctypes": "CDLL",
        "dataclasses": "asdict astuple dataclass is_dataclass",
        "datetime": "timedelta timezone tzinfo",
        "decimal": "Decimal InvalidOperation ROUND_HALF_EVEN ROUND_HALF_UP getcontext localcontext",
        "difflib": "SequenceMatcher get_close_matches unified_diff",
        "enum": "Enum IntEnum IntFlag StrEnum",
        "fnmatch": "fnmatch fnmatchcase",
        "fractions": "Fraction",
        "functools": (
            "cache cached_property cmp_to_key lru_cache partial reduce singledispatch"
            " total_ordering wraps"
        ),
        "getpass": "getpass",
        "glob": "glob iglob",
        "hashlib": "md5 sha1 sha256 sha512",
        "heapq": "heapify heappop heappush nlargest nsmallest",
        "html.parser": "HTMLParser",
        "http": "HTTPStatus",
        "http.server": (
            "BaseHTTPRequestHandler HTTPServer SimpleHTTPRequestHandler ThreadingHTTPServer"
        ),
        "io": "BytesIO StringIO TextIOWrapper",
        "ipaddress": "ip_address ip_network",
        "itertools": (
            "accumulate chain combinations count cycle groupby islice pairwise permutations product"
            " starmap takewhile dropwhile tee zip_longest"
        ),
        "json": "JSONDecodeError JSONEncoder",
        "logging": "getLogger",
        "math": "ceil floor isclose isfinite isinf isnan sqrt",
        "multiprocessing": "Pool",
        "operator": "attrgetter itemgetter methodcaller",
        "pathlib": "Path PosixPath PurePath PurePosixPath PureWindowsPath",
        "pprint": "pformat pprint",
        "queue": "PriorityQueue",
        "random": "randint shuffle",
        "re": "Pattern",
        "shlex": "shlex",
        "shutil": "copyfile copytree rmtree",
        "statistics": "mean median stdev",
        "string": "ascii_letters ascii_lowercase ascii_uppercase",
        "subprocess": (
            "CalledProcessError DEVNULL PIPE Popen TimeoutExpired check_call check_output"
        ),
        "tempfile": (
            "NamedTemporaryFile SpooledTemporaryFile TemporaryDirectory TemporaryFile gettempdir"
            " mkdtemp mkstemp"
        ),
        "textwrap": "dedent",
        "threading": "Thread",
        "time": "monotonic perf_counter sleep strftime",
        "traceback": "format_exc print_exc",
        "types": "MappingProxyType ModuleType SimpleNamespace TracebackType",
        "typing": (
            "Any AnyStr ClassVar Dict Final FrozenSet Generic IO Literal List NamedTuple NewType"
            " NoReturn Optional ParamSpec Protocol Self Set TYPE_CHECKING TextIO Tuple Type"
            " TypeAlias TypeGuard TypeVar TypedDict Union assert_never overload runtime_checkable"
        ),
        "unittest": "IsolatedAsyncioTestCase TestCase",
        "unittest.mock": "AsyncMock MagicMock Mock PropertyMock call mock_open patch sentinel",
        "urllib.parse": (
            "parse_qs parse_qsl quote_plus unquote urlencode urljoin urlparse urlsplit urlunsplit"
        ),
        "urllib.request": "urlopen urlretrieve",
        "uuid": "UUID uuid1 uuid3 uuid4 uuid5",
        "warnings": "catch_warnings",
        "weakref": "WeakKeyDictionary WeakValueDictionary",
        "zipfile": "ZipFile",
        "zoneinfo": "ZoneInfo",
    }.items()
    for name in names.split()
}

MODULES = frozenset(
    m
    for m in sys.stdlib_module_names
    if not m.startswith("_")
    and m
    not in {"antigravity", "this", "test", "idlelib", "lib2to3", "turtledemo", "nt", "xxlimited"}
)
"""Modules a program may import by one name."""

SAME_NAMED: Mapping[str, frozenset[str]] = {
    "datetime": frozenset(
        {
            "combine",
            "fromisoformat",
            "fromordinal",
            "fromtimestamp",
            "max",
            "min",
            "now",
            "strptime",
            "today",
            "utcfromtimestamp",
            "utcnow",
        }
    )
}
"""Modules that hold a class of their own name: used with only these attributes it is the class that
is meant.
"""

MODULE_ONLY: Mapping[str, frozenset[str]] = {
    "datetime": frozenset({"UTC", "date", "datetime", "time", "timedelta", "timezone", "tzinfo"})
}
