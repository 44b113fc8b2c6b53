"""Which lines of a file belong together: the whole function around a line, by the language's own
grammar.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import PurePosixPath

import tree_sitter_go
import tree_sitter_java
import tree_sitter_javascript
import tree_sitter_python
import tree_sitter_ruby
import tree_sitter_rust
import tree_sitter_typescript
from tree_sitter import Language, Node, Parser

WINDOW = 30
"""Lines before and after, where no function is found."""
LONGEST = 300
"""Lines of a function that is shown whole; of a longer one the window is."""
MAX_BYTES = 512 * 1024

GRAMMARS: Mapping[str, Callable[[], object]] = {
    ".py": tree_sitter_python.language,
    ".js": tree_sitter_javascript.language,
    ".jsx": tree_sitter_javascript.language,
    ".mjs": tree_sitter_javascript.language,
    ".cjs": tree_sitter_javascript.language,
    ".ts": tree_sitter_typescript.language_typescript,
    ".mts": tree_sitter_typescript.language_typescript,
    ".tsx": tree_sitter_typescript.language_tsx,
    ".go": tree_sitter_go.language,
    ".rs": tree_sitter_rust.language,
    ".java": tree_sitter_java.language,
    ".rb": tree_sitter_ruby.language,
}
FUNCTIONS = frozenset(
    {
        "function_definition",
        "decorated_definition",
        "function_declaration",
        "generator_function_declaration",
        "method_definition",
        "method_declaration",
        "constructor_declaration",
        "function_item",
        "method",
        "singleton_method",
        "lexical_declaration",
    }
)


@cache
def _parser(suffix: str) -> Parser | None:
    grammar = GRAMMARS.get(suffix)
    return Parser(Language(grammar())) if grammar else None


def around(source: bytes, *, path: str, line: int) -> tuple[int, int]:
    """(first, last) line, 1-based, of the outermost function of at most `LONGEST` lines around
    `line`; else a window.
    """
    lines = source.count(b"\n") + 1
    at = min(max(line, 1), lines)
    parser = _parser(PurePosixPath(path).suffix.lower())
    if parser is None or len(source) > MAX_BYTES:
        return _window(at, lines)
    return _function(parser.parse(source).root_node, at) or _window(at, lines)


def _window(line: int, lines: int) -> tuple[int, int]:
    return max(1, line - WINDOW), min(lines, line + WINDOW)


def _function(root: Node, line: int) -> tuple[int, int] | None:
    """Walks down to the line without recursion: hostile nesting has no bottom."""
    node: Node | None = root
    while node is not None:
        if node.type in FUNCTIONS and node.end_point[0] - node.start_point[0] < LONGEST:
            return node.start_point[0] + 1, node.end_point[0] + 1
        node = next(
            (
                child
                for child in node.children
                if child.start_point[0] <= line - 1 <= child.end_point[0]
            ),
            None,
        )
    return None
