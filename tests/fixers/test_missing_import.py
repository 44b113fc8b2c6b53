"""A missing import is added where there is one answer, and nothing is touched where there is
none.
"""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest

from cihealing.fixers import formatter, missing_import, ruff
from cihealing.fixers.shared import imports, modules
from cihealing.fixers.shared.imports import Import
from tests.fixers.trees import context, failure, read, write
from tests.tables import table

USE = '"""Docs."""\n\nimport os\n\n\ndef save(x):\n    return {}\n'


def fixed(tree: Path, files: dict[str, str], name: str, *, path: str = ".") -> str | None:
    """The text of shop/a.py after the fixer, None where it did nothing (and then really
    nothing).
    """
    write(tree, files)
    before = read(tree)
    told = missing_import.fix(
        context(
            tree,
            failure(f"NameError: name '{name}' is not defined", frames=(("shop/a.py", 7),)),
            path=path,
        )
    )
    after = read(tree)
    if told is None:
        assert after == before
        return None
    assert [p for p in after if after[p] != before.get(p)] == ["shop/a.py"]
    ast.parse(after["shop/a.py"])
    return after["shop/a.py"]


@pytest.mark.parametrize(
    ("use", "name", "line"),
    [
        ("json.dumps(x)", "json", "import json"),
        ("datetime.timedelta(x)", "datetime", "import datetime"),
        ("datetime.now()", "datetime", "from datetime import datetime"),
        ("Path(x)", "Path", "from pathlib import Path"),
        ("Decimal('1')", "Decimal", "from decimal import Decimal"),
        ("deepcopy(x)", "deepcopy", "from copy import deepcopy"),
        ("defaultdict(list)", "defaultdict", "from collections import defaultdict"),
        ("pprint(x)", "pprint", "from pprint import pprint"),
        ("pprint.pformat(x)", "pprint", "import pprint"),
        ("xml.etree", "xml", "import xml"),
    ],
)
def test_a_name_of_the_standard_library_is_imported(
    tmp_path: Path, use: str, name: str, line: str
) -> None:
    text = fixed(tmp_path, {"shop/a.py": USE.format(use)}, name)
    assert text is not None
    assert line in text.splitlines()


@pytest.mark.parametrize(
    ("files", "name", "why"),
    [
        (
            {"shop/a.py": USE.format("datetime.now(datetime.UTC)")},
            "datetime",
            "module and class at once",
        ),
        ({"shop/a.py": USE.format("copy(x)")}, "copy", "called like a function, known as a module"),
        (
            {"shop/a.py": USE.format("numpy.array(x)")},
            "numpy",
            "not ours, not the standard library's",
        ),
        (
            {"shop/a.py": USE.format("json.dumps(x)") + "json = None\n"},
            "json",
            "bound somewhere in the file",
        ),
        ({"shop/a.py": USE.format("json.dumps(x)")}, "Path", "not used in the file"),
        (
            {
                "shop/a.py": USE.format("total(x)"),
                "shop/b.py": "def total(x): ...\n",
                "shop/c.py": "def total(x): ...\n",
            },
            "total",
            "defined twice",
        ),
        (
            {"shop/a.py": USE.format("total(x)"), "tests/test_b.py": "def total(x): ...\n"},
            "total",
            "defined in a test only",
        ),
        (
            {
                "shop/a.py": USE.format("total(x)"),
                "shop/b.py": "from x import total\n",
                "shop/c.py": "from y import total\n",
            },
            "total",
            "two opinions",
        ),
        ({"shop/a.py": "def save(x:\n    json.dumps(x)\n"}, "json", "no Python"),
        (
            {"shop/a.py": USE.format("total(x)"), "node_modules/b.py": "def total(x): ...\n"},
            "total",
            "not the repository's own",
        ),
        ({"shop/a.py": "\ufeff" + USE.format("json.dumps(x)")}, "json", "a byte order mark"),
    ],
)
def test_where_the_answer_is_not_plain_nothing_is_done(
    tmp_path: Path, files: dict[str, str], name: str, why: str
) -> None:
    assert fixed(tmp_path, files, name) is None, why


@pytest.mark.parametrize(
    ("files", "name", "line"),
    [
        (
            {"shop/__init__.py": "", "shop/b.py": "def total(x): ...\n"},
            "total",
            "from shop.b import total",
        ),
        (
            {"shop/__init__.py": "", "shop/b.py": "class Cart: ...\n"},
            "Cart",
            "from shop.b import Cart",
        ),
        (
            {"shop/__init__.py": "", "shop/b.py": "RATE: float = 0.2\n"},
            "RATE",
            "from shop.b import RATE",
        ),
        ({"shop/__init__.py": "RATE = 1\n"}, "RATE", "from shop import RATE"),
        ({"shop/b.py": "def total(x): ...\n"}, "total", "from b import total"),
        (
            {"shop/b.py": "def total(x): ...\n", "shop/c.py": "from shop.b import x\n"},
            "total",
            "from shop.b import total",
        ),
        (
            {"src/lib/__init__.py": "", "src/lib/b.py": "def total(x): ...\n"},
            "total",
            "from lib.b import total",
        ),
        (
            {"shop/__init__.py": "", "shop/prices.py": "A = 1\n"},
            "prices",
            "from shop import prices",
        ),
        (
            {"shop/c.py": "import numpy as np\n", "shop/d.py": "import numpy as np\n"},
            "np",
            "import numpy as np",
        ),
        ({"shop/c.py": "from attrs import define\n"}, "define", "from attrs import define"),
    ],
)
def test_a_name_of_the_repository_is_imported_from_its_one_definition(
    tmp_path: Path, files: dict[str, str], name: str, line: str
) -> None:
    text = fixed(tmp_path, {"shop/a.py": USE.format(f"{name}(x)"), **files}, name)
    assert text is not None
    assert line in text.splitlines()


def test_a_project_below_the_root_has_its_own_import_root(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "web/shop/__init__.py": "",
            "web/shop/b.py": "def total(x): ...\n",
            "web/run.py": "total(1)\n",
        },
    )
    failed = failure("NameError: name 'total' is not defined", frames=(("run.py", 1),))
    assert (
        missing_import.fix(context(tmp_path, failed, path="web"))
        == "Added `from shop.b import total` to web/run.py"
    )
    assert read(tmp_path)["web/run.py"] == "from shop.b import total\n\ntotal(1)\n"


@table(
    ("before", "wanted", "after"),
    [
        (
            "import os\nimport sys\n\nx\n",
            Import(module="json"),
            "import json\nimport os\nimport sys\n\nx\n",
        ),
        (
            "import os\nimport sys\n\nx\n",
            Import(module="re"),
            "import os\nimport re\nimport sys\n\nx\n",
        ),
        (
            "import os\n\nx\n",
            Import(module="pathlib", name="Path"),
            "import os\nfrom pathlib import Path\n\nx\n",
        ),
        (
            "import os\n\nimport httpx\n",
            Import(module="sys"),
            "import os\nimport sys\n\nimport httpx\n",
        ),
        ("import httpx\n", Import(module="os"), "import os\n\nimport httpx\n"),
        ("import os\n", Import(module="httpx"), "import os\n\nimport httpx\n"),
        (
            "import os\n\nfrom . import a\n",
            Import(module="shop.b", name="c"),
            "import os\n\nfrom shop.b import c\n\nfrom . import a\n",
        ),
        (
            "from __future__ import annotations\n\nx\n",
            Import(module="os"),
            "from __future__ import annotations\n\nimport os\n\nx\n",
        ),
        (
            '"""Docs.\n\nMore.\n"""\n\n\ndef f(): ...\n',
            Import(module="os"),
            '"""Docs.\n\nMore.\n"""\n\nimport os\n\n\ndef f(): ...\n',
        ),
        ('"""Docs."""\nx\n', Import(module="os"), '"""Docs."""\n\nimport os\n\nx\n'),
        (
            "#!/usr/bin/env python\n# coding: utf-8\nx\n",
            Import(module="os"),
            "#!/usr/bin/env python\n# coding: utf-8\n\nimport os\n\nx\n",
        ),
        ("x", Import(module="os"), "import os\n\nx"),
        ("import os\r\n\r\nx\r\n", Import(module="sys"), "import os\r\nimport sys\r\n\r\nx\r\n"),
        (
            "from pathlib import PurePath\n",
            Import(module="pathlib", name="Path"),
            "from pathlib import Path, PurePath\n",
        ),
        ("from a import B, c\n", Import(module="a", name="D_E"), "from a import D_E, B, c\n"),
        (
            "from a import (\n    b,\n)\n\nx\n",
            Import(module="a", name="c"),
            "from a import (\n    b,\n)\nfrom a import c\n\nx\n",
        ),
        (
            "from a import b  # why\n",
            Import(module="a", name="c"),
            "from a import b  # why\nfrom a import c\n",
        ),
        (
            "try:\n    import a\nexcept ImportError:\n    a = None\n",
            Import(module="os"),
            "import os\n\ntry:\n    import a\nexcept ImportError:\n    a = None\n",
        ),
    ],
)
def test_an_import_goes_where_a_person_would_put_it(
    before: str, wanted: Import, after: str
) -> None:
    module = modules.parse(before)
    assert module is not None
    assert imports.add(before, module, wanted, first_party=frozenset({"shop"})) == after


@pytest.mark.parametrize(
    "log",
    [
        ["shop/a.py:7:12: F821 Undefined name `json`"],
        ["./shop/a.py:7:12: F821 undefined name 'json'"],
        ["F821 Undefined name `json`", " --> shop/a.py:7:12", "  |"],
        ['shop/a.py:7: error: Name "json" is not defined  [name-defined]'],
        [
            '  File "/home/runner/work/shop/shop/shop/a.py", line 7, in save',
            "NameError: name 'json' is not defined. Did you forget to import 'json'?",
        ],
        [
            "shop/a.py:7: NameError",
            "E       NameError: name 'json' is not defined",
            "shop/a.py:7: NameError",
        ],
    ],
)
def test_the_file_is_found_in_what_the_tool_says(tmp_path: Path, log: list[str]) -> None:
    write(tmp_path, {"shop/a.py": USE.format("json.dumps(x)"), "shop/b.py": "json.x\n"})
    failed = failure(*log)
    assert missing_import.fits(failed)
    assert missing_import.fix(context(tmp_path, failed)) == "Added `import json` to shop/a.py"


def test_several_missing_names_are_added_together_or_not_at_all(tmp_path: Path) -> None:
    files = {
        "shop/a.py": "def f(x):\n    return json.dumps(re.sub(x))\n",
        "shop/b.py": "def g(x):\n    return Path(x)\n",
    }
    log = [
        "shop/a.py:2:1: F821 undefined name 'json'",
        "shop/a.py:2:9: F821 undefined name 're'",
        "shop/b.py:2:9: F821 undefined name 'Path'",
    ]
    write(tmp_path / "one", files)
    assert missing_import.fix(context(tmp_path / "one", failure(*log))) is not None
    assert read(tmp_path / "one")["shop/a.py"].startswith("import json\nimport re\n\ndef f")
    write(tmp_path / "two", {**files, "shop/b.py": "def g(x):\n    return Unknown(x)\n"})
    before = read(tmp_path / "two")
    assert (
        missing_import.fix(
            context(
                tmp_path / "two", failure(*log[:2], "shop/b.py:2:9: F821 undefined name 'Unknown'")
            )
        )
        is None
    )
    assert read(tmp_path / "two") == before


def test_of_several_frames_the_line_that_uses_the_name_counts(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "shop/a.py": "def f():\n    return json.x\n",
            "shop/b.py": "from shop.a import f\nf()\njson.y\n",
        },
    )
    failed = failure(
        "NameError: name 'json' is not defined", frames=(("shop/b.py", 2), ("shop/a.py", 2))
    )
    assert missing_import.fix(context(tmp_path, failed)) == "Added `import json` to shop/a.py"


OLD = "from shop.util import total, tax\n\nprint(total)\n"


@pytest.mark.parametrize(
    ("files", "error", "path", "after"),
    [
        (
            {
                "shop/__init__.py": "",
                "shop/money.py": "def total(): ...\ndef tax(): ...\n",
                "run.py": OLD,
            },
            "ModuleNotFoundError: No module named 'shop.util'",
            "run.py",
            "from shop.money import total, tax\n\nprint(total)\n",
        ),
        (
            {
                "shop/__init__.py": "",
                "shop/core/__init__.py": "",
                "shop/core/util.py": "total = tax = 1\n",
                "old/x.py": "total = tax = 1\n",
                "run.py": OLD,
            },
            "ModuleNotFoundError: No module named 'shop.util'",
            "run.py",
            "from shop.core.util import total, tax\n\nprint(total)\n",
        ),
        (
            {
                "shop/__init__.py": "",
                "shop/util.py": "def total(): ...\n",
                "shop/money.py": "def tax(): ...\n",
                "run.py": OLD,
            },
            "ImportError: cannot import name 'tax' from 'shop.util' (/build/shop/util.py)",
            "run.py",
            "from shop.util import total\nfrom shop.money import tax\n\nprint(total)\n",
        ),
        (
            {
                "shop/__init__.py": "",
                "shop/money.py": "def total(): ...\n",
                "shop/a.py": "def f():\n    from .util import total as t\n    return t\n",
            },
            "ModuleNotFoundError: No module named 'shop.util'",
            "shop/a.py",
            "def f():\n    from shop.money import total as t\n    return t\n",
        ),
        (
            {
                "shop/__init__.py": "",
                "shop/money.py": "a = b = 1\n",
                "run.py": "from shop.util import (\r\n    a,\r\n    b,\r\n)\r\n",
            },
            "ModuleNotFoundError: No module named 'shop.util'",
            "run.py",
            "from shop.money import a, b\r\n",
        ),
    ],
)
def test_an_import_follows_what_moved(
    tmp_path: Path, files: dict[str, str], error: str, path: str, after: str
) -> None:
    write(tmp_path, files)
    assert missing_import.fix(context(tmp_path, failure(error))) is not None
    assert read(tmp_path) == {**files, path: after}


@pytest.mark.parametrize(
    ("files", "error"),
    [
        (
            {"run.py": "from shop.util import total\n"},
            "ModuleNotFoundError: No module named 'shop.util'",
        ),
        ({"run.py": "import numpy\n"}, "ModuleNotFoundError: No module named 'numpy'"),
        (
            {"a.py": "total = 1\n", "b.py": "total = 2\n", "run.py": "from util import total\n"},
            "ModuleNotFoundError: No module named 'util'",
        ),
        (
            {"a.py": "total = 1\n", "run.py": "from util import total  # keep\n"},
            "ModuleNotFoundError: No module named 'util'",
        ),
        (
            {"a.py": "total = 1\n", "run.py": "x = 1; from util import total\n"},
            "ModuleNotFoundError: No module named 'util'",
        ),
        (
            {"a.py": "total = 1\n", "run.py": "from util import *\n"},
            "ModuleNotFoundError: No module named 'util'",
        ),
        (
            {"a.py": "x = 1\n", "b.py": "from a import x\n"},
            "ImportError: cannot import name 'x' from partially initialized module 'a'",
        ),
        (
            {"tests/a.py": "total = 1\n", "run.py": "from util import total\n"},
            "ModuleNotFoundError: No module named 'util'",
        ),
    ],
)
def test_what_moved_to_nowhere_or_to_two_places_is_left(
    tmp_path: Path, files: dict[str, str], error: str
) -> None:
    write(tmp_path, files)
    assert missing_import.fix(context(tmp_path, failure(error))) is None
    assert read(tmp_path) == files


@pytest.mark.parametrize(
    "frame", ["../outside.py", "/etc/passwd", "link.py", "sub/a.py", ".git/a.py", "a\0b.py"]
)
def test_nothing_is_written_through_a_link_or_outside_the_tree(tmp_path: Path, frame: str) -> None:
    outside = tmp_path / "outside.py"
    text = "json.dumps(1)\n"
    outside.write_text(text)
    (tmp_path / "elsewhere").mkdir()
    write(tmp_path / "elsewhere", {"a.py": text})
    tree = tmp_path / "tree"
    write(tree, {".git/a.py": text})
    (tree / "link.py").symlink_to(outside)
    (tree / "sub").symlink_to(tmp_path / "elsewhere")
    failed = failure(
        "NameError: name 'json' is not defined",
        f"{frame}:1:1: F821 undefined name 'json'",
        frames=((frame, 1),),
    )
    assert missing_import.fix(context(tree, failed)) is None
    assert {p.read_text() for p in (outside, tmp_path / "elsewhere/a.py", tree / ".git/a.py")} == {
        text
    }


def test_a_file_keeps_its_mode_and_no_other_file_is_left(tmp_path: Path) -> None:
    write(tmp_path, {"shop/a.py": USE.format("json.dumps(x)")})
    (tmp_path / "shop/a.py").chmod(0o750)
    missing_import.fix(
        context(
            tmp_path, failure("NameError: name 'json' is not defined", frames=(("shop/a.py", 7),))
        )
    )
    assert (tmp_path / "shop/a.py").stat().st_mode & 0o777 == 0o750
    assert [p.name for p in (tmp_path / "shop").iterdir()] == ["a.py"]


def test_repository_code_is_read_and_never_run(tmp_path: Path) -> None:
    bomb = f"open({str(tmp_path / 'ran')!r}, 'w')\ndef total(): ...\n"
    assert (
        fixed(
            tmp_path,
            {"shop/a.py": USE.format("total(x)"), "shop/__init__.py": "", "shop/b.py": bomb},
            "total",
        )
        is not None
    )
    assert not (tmp_path / "ran").exists()


def test_huge_and_deep_files_are_passed_over(tmp_path: Path) -> None:
    files = {
        "shop/a.py": USE.format("total(x)"),
        "shop/b.py": "x = " + "(" * 5000,
        "shop/c.py": "total = 1\n" + "#" * 600_000,
        "shop/d.py": "total = " + "-" * 20_000 + "1",
    }
    assert fixed(tmp_path, files, "total") is None


@pytest.mark.parametrize(
    "text",
    [
        "AssertionError: 1 != 2",
        "TypeError: name 'json' is odd",
        "ImportError: libfoo.so: cannot open",
        "",
    ],
)
def test_other_failures_do_not_fit(text: str) -> None:
    assert not missing_import.fits(failure(text))


@pytest.mark.parametrize(
    "line",
    [
        "x" * 100_000,
        "a.py:1: " * 10_000,
        "NameError: name 'x" * 5_000,
        'File "' * 10_000,
        " " * 100_000,
    ],
    ids=range(5),
)
def test_no_log_makes_the_fixers_slow(tmp_path: Path, line: str) -> None:
    began = time.process_time()
    failed = failure(*[line] * 200)
    assert [fixer.fits(failed) for fixer in (missing_import, ruff, formatter)] == [
        False,
        False,
        False,
    ]
    assert missing_import.fix(context(tmp_path, failed)) is None
    assert ruff.fix(context(tmp_path, failed)) is None
    assert formatter.fix(context(tmp_path, failed)) is None
    assert time.process_time() - began < 3
