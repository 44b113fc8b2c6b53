"""Where a patch may write, and as what. The forge asks again about the tree that git really
built.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from pathlib import PurePosixPath

from cihealing.domain.policy import Policy
from cihealing.domain.values import Objection
from cihealing.guard.change import MAX_PATH, FileChange
from cihealing.guard.objections import hard, soft

ALWAYS_PROTECTED = (
    ".github/**",
    "**/.gitlab-ci.yml",
    "**/.gitlab/**",
    "**/.circleci/**",
    "**/.buildkite/**",
    "**/Jenkinsfile*",
    "**/.cihealing.y*ml",
    "azure-pipelines*.y*ml",
    ".travis.yml",
    "bitbucket-pipelines.yml",
    ".drone.yml",
    ".woodpecker*",
    ".woodpecker/**",
    ".cirrus.yml",
    "appveyor.yml",
    ".appveyor.yml",
    ".ci/**",
    ".semaphore/**",
    "**/CODEOWNERS",
    "cloudbuild*.y*ml",
    ".teamcity/**",
    "vars/*.groovy",
    ".tekton/**",
    ".argo/**",
    ".gitea/**",
    ".forgejo/**",
    "buildspec*.y*ml",
    "**/.concourse/**",
    ".harness/**",
    "dagger.json",
    "renovate.json*",
    ".renovaterc*",
    ".mergify.y*ml",
    ".kodiak.toml",
    ".githooks/**",
    ".hooks/**",
    "**/lefthook*.y*ml",
    "**/.lefthook/**",
    ".overcommit.y*ml",
)
"""What decides what is run in CI, wherever policy says nothing."""

RUNNER_FILES = (
    "conftest.py",
    "pytest.ini",
    ".pytest.ini",
    "pytest.toml",
    ".pytest.toml",
    "tox.ini",
    "tox.toml",
    "setup.cfg",
    "noxfile.py",
    ".coveragerc",
    "sitecustomize.py",
    "usercustomize.py",
    "*.pth",
    "jest.config.*",
    "jest.setup.*",
    "vitest.config.*",
    "vitest.workspace.*",
    "karma.conf.*",
    ".mocharc*",
    "mocha.opts",
    "ava.config.*",
    "playwright.config.*",
    "cypress.config.*",
    "cypress.json",
    ".nycrc*",
    ".babelrc*",
    "babel.config.*",
    "makefile",
    "gnumakefile",
    "*.mk",
    "justfile",
    ".justfile",
    "taskfile.y*ml",
    "rakefile",
    ".rspec",
    "spec_helper.rb",
    "rails_helper.rb",
    "phpunit.xml*",
    "codeception.y*ml",
    "nextest.toml",
    "manage.py",
    "dodo.py",
    "fabfile.py",
    ".envrc",
    ".npmrc",
    ".yarnrc*",
    "pip.conf",
    "junit-platform.properties",
    "testng.xml",
    "turbo.json",
    "nx.json",
    "lerna.json",
    "bazel.rc",
    ".bazelrc",
    "runtests.*",
    "run_tests.*",
)
"""What decides which tests run and what their result is. Matched on the file's name in lower case,
at any depth.
"""

CHECKER_FILES = (
    "ruff.toml",
    ".ruff.toml",
    ".flake8",
    ".pylintrc",
    "pylintrc",
    "mypy.ini",
    ".mypy.ini",
    "pyrightconfig.json",
    ".isort.cfg",
    ".pycodestyle",
    ".pydocstyle",
    ".bandit",
    ".pre-commit-config.y*ml",
    ".eslintrc*",
    "eslint.config.*",
    ".eslintignore",
    ".prettierrc*",
    "prettier.config.*",
    ".prettierignore",
    "biome.json*",
    ".stylelintrc*",
    "tslint.json",
    "tsconfig*.json",
    ".golangci.*",
    "rustfmt.toml",
    ".rustfmt.toml",
    "clippy.toml",
    ".clippy.toml",
    ".rubocop*.y*ml",
    ".editorconfig",
    ".scalafmt.conf",
    "checkstyle*.xml",
    "pmd*.xml",
    "spotbugs*.xml",
    ".clang-format",
    ".clang-tidy",
    ".yamllint*",
    ".markdownlint*",
    ".hadolint.y*ml",
    ".shellcheckrc",
    "phpstan.neon*",
    "psalm.xml*",
    ".php-cs-fixer*",
)
"""What decides what a linter or type checker may say."""

AGENT_FILES = (
    "**/AGENTS*.md",
    "**/CLAUDE*.md",
    "**/GEMINI.md",
    "**/copilot-instructions.md",
    "**/.cursorrules",
    "**/.cursor/**",
    "**/.cursorignore",
    "**/.windsurfrules",
    "**/.windsurf/**",
    "**/.clinerules*",
    "**/.clinerules/**",
    "**/.roo*/**",
    "**/.roomodes",
    "**/.aider*",
    "**/.mcp.json",
    "**/mcp.json",
    "**/.claude/**",
    "**/.codex/**",
    "**/.gemini/**",
    "**/.continue/**",
    "**/.continuerules",
    "**/.junie/**",
    "**/.kiro/**",
    "**/.amazonq/**",
    "**/.augment*/**",
    "**/.goosehints",
    "**/.openhands/**",
    "**/llms*.txt",
)
"""What tells coding agents what to do. Source: each agent's own documentation."""

EDITOR_FILES = (
    "**/.vscode/**",
    "**/.devcontainer/**",
    "**/.devcontainer.json",
    "**/.idea/**",
    "**/.fleet/**",
    "**/.zed/**",
    "**/*.code-workspace",
    "**/.gitpod.y*ml",
)
"""What editors start by themselves when a folder is opened."""

BUILD_FILES = (
    "setup.py",
    "hatch_build.py",
    "build.rs",
    "vite.config.*",
    "webpack.config.*",
    "rollup.config.*",
    "esbuild.*",
    "next.config.*",
    "nuxt.config.*",
    "svelte.config.*",
    "postcss.config.*",
    "tailwind.config.*",
    "gulpfile.*",
    "gruntfile.*",
    "metro.config.*",
    "*.gradle",
    "*.gradle.kts",
    "gradle-wrapper.properties",
    "gradle.properties",
    "gradlew*",
    "mvnw*",
    "maven-wrapper.properties",
    "directory.build.*",
    "directory.packages.props",
    "nuget.config",
    "*.targets",
    "cmakelists.txt",
    "*.cmake",
    "configure.ac",
    "meson.build",
    "build.zig",
    "build.sbt",
    "binding.gyp",
    "extconf.rb",
)
"""What is run when the project is built or installed."""

INFRASTRUCTURE = (
    "**/*.tf",
    "**/*.tfvars",
    "**/k8s/**",
    "**/kubernetes/**",
    "**/charts/**",
    "**/helm/**",
    "**/ansible/**",
    "**/deploy/**",
    "**/docker-compose*.y*ml",
    "**/compose*.y*ml",
    "**/kustomization.y*ml",
    "**/playbook*.y*ml",
    "**/*.nomad",
    "**/procfile",
    "**/serverless.y*ml",
    "**/nginx*.conf",
)
"""What is deployed, and how."""

SECURITY_CODE = re.compile(
    r"(^|[/_.-])(auth|authn|authz|authenticat\w*|authoriz\w*|login|session|permissions?|acl|rbac|oauth2?|jwt|crypto?|security|passwords?"
    r"|csrf|cors|signatures?|secrets?)(?=[/_.-])"
)

GIT_FILES = (".gitattributes", ".gitmodules", ".gitignore", ".gitconfig", ".lfsconfig")


def check(
    files: Iterable[FileChange], *, policy: Policy, denied: Collection[str] = ()
) -> list[Objection]:
    """Everything that is wrong with the paths, kinds and modes of a change, whatever its lines
    say. `denied`: what may become executable, because something was red for want of that.
    """
    return [
        o
        for f in files
        for o in (*path_objections(f, policy=policy), *mode_objections(f, denied=denied))
    ]


def path_objections(file: FileChange, *, policy: Policy) -> Iterator[Objection]:
    for path in file.paths:
        if (why := outside(path)) is not None:
            yield hard("path-outside", f"{path}: {why}")
        elif any(glob_matches(g, path) for g in (*policy.protected_paths, *ALWAYS_PROTECTED)):
            yield hard("protected-path", f"{path} is protected: only a person may change it")
        elif any(glob_matches(g, path) for g in AGENT_FILES):
            yield hard("agent-instructions", f"{path} tells coding agents what to do")
        elif any(glob_matches(g, path) for g in EDITOR_FILES):
            yield hard("agent-instructions", f"{path} tells editors what to start")
        elif (what := configures(path)) is not None:
            yield hard("runner-config", f"{path} configures {what}")
    yield from person_objections(file)


def person_objections(file: FileChange) -> Iterator[Objection]:
    """Places where an honest fix is possible and a person looks at it."""
    name = PurePosixPath(file.path).name
    if any(glob_matches(g, name) for g in BUILD_FILES):
        if file.old is None:
            yield hard(
                "build-code", f"{file.path} is new, and run when the project is built or installed"
            )
        else:
            yield soft("build-code", f"{file.path} is run when the project is built or installed")
    if any(glob_matches(g, file.path) for g in INFRASTRUCTURE):
        yield soft("infrastructure", f"{file.path} says what is deployed")
    if SECURITY_CODE.search(file.path.casefold()):
        yield soft("security-code", f"{file.path} seems to decide who may do what")


def outside(path: str) -> str | None:
    """Why a path may not be written at all; None for a plain path below the root."""
    parts = path.split("/")
    if not path or len(path) > MAX_PATH or "" in parts or "." in parts or ".." in parts:
        return "the path does not stay inside the tree"
    if "\\" in path or re.match(r"[A-Za-z]:", path) or path.startswith("~"):
        return "the path leaves the tree on some systems"
    if not path.isprintable():
        return "the path holds characters that cannot be seen"
    if any(is_git(part) for part in parts):
        return "the path is git's own"
    return None


def is_git(part: str) -> bool:
    """`.git` as any file system may spell it. Source: git's own verify_path (HFS+ ignores, NTFS
    short names).
    """
    return re.fullmatch(r"\.git|git~[0-9]+", part.casefold().split(":")[0].rstrip(" .")) is not None


def configures(path: str) -> str | None:
    name = PurePosixPath(path).name.casefold()
    for what, globs in (
        ("the test runner", RUNNER_FILES),
        ("the checks", CHECKER_FILES),
        ("git", GIT_FILES),
    ):
        if any(glob_matches(g, name) for g in globs):
            return what
    if re.search(r"(^|/)(\.cargo|\.husky|\.config)/", path.casefold()):
        return "the tools"
    return None


def mode_objections(file: FileChange, *, denied: Collection[str]) -> Iterator[Objection]:
    modes = {file.old_mode, file.new_mode} if file.old_mode != file.new_mode else {file.new_mode}
    if "120000" in modes:
        yield hard("symlink", f"{file.path} is a symbolic link")
    if "160000" in modes:
        yield hard("submodule", f"{file.path} is a submodule")
    if file.new_mode == "100755" and file.old_mode != "100755":
        what = f"{file.path} becomes executable"
        asked_for = file.old_mode == "100644" and file.path in denied
        yield soft("executable", what) if asked_for else hard("executable", what)
    elif file.old_mode and file.new_mode and file.old_mode != file.new_mode:
        yield hard("mode", f"{file.path} changes its mode")
    if not modes <= {"", "100644", "100755", "120000", "160000"}:
        yield hard("mode", f"{file.path} has a mode git does not use")
    if file.binary:
        yield hard("binary", f"{file.path} is binary: nobody can review it")


def glob_matches(glob: str, path: str) -> bool:
    """`*` stays within a directory, `**/` is any number of them, a trailing `/**` is everything
    below; case is ignored.
    """
    return glob_pattern(glob.casefold()).fullmatch(path.casefold()) is not None


@lru_cache(maxsize=1_000)
def glob_pattern(glob: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meaning.get(p, re.escape(p)) for p in parts), re.DOTALL)
