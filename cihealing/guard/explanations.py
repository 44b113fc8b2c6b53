"""What each rule is there for, and what a person may do: shown beside an objection."""

from __future__ import annotations

from collections.abc import Mapping

EXPLANATIONS: Mapping[str, str] = {
    # the patch as a whole
    "unreadable": (
        "Only what git itself would write is read: whatever two programs could read in two ways can"
        " hide something."
    ),
    "empty": "A patch without a change cannot have mended anything.",
    "too-many-files": (
        "A large patch is not reviewed with care; `max_patch_files` in the server's policy is the"
        " limit."
    ),
    "too-many-lines": (
        "A large patch is not reviewed with care; `max_patch_lines` in the server's policy is the"
        " limit."
    ),
    "many-lines": "It is within the limit but long: read all of it.",
    "file-twice": "A file that is named twice is changed in an order that readers do not see.",
    "binary": "Nobody can review a binary file.",
    "long-line": "Nobody reads to the end of such a line: code may stand there.",
    "redaction-marker": (
        "Secrets are masked before a model sees a log: such a marker in the code is a masked value"
        " that was copied."
    ),
    "unseen-characters": (
        "Invisible or direction-changing characters make code read other than it runs"
        " (CVE-2021-42574)."
    ),
    # where it writes
    "path-outside": "A path that leaves the tree, or is git's own, writes where no fix belongs.",
    "protected-path": (
        "These files decide what CI runs, with which rights and who reviews it. A person changes"
        " them, not a service."
    ),
    "runner-config": (
        "These files decide which tests and checks run and what counts as green. A fix makes the"
        " code meet them instead."
    ),
    "symlink": "A symbolic link can lead out of the tree.",
    "submodule": "A submodule brings in code that the patch does not show.",
    "executable": "A new executable file is started by things that the patch does not show.",
    "mode": "A change of a file's kind is no fix of its content.",
    "deletes-file": "Look whether anything else still needs the file.",
    "dependency": (
        "Another package or version runs other people's code. Look at what it is and where it comes"
        " from."
    ),
    "migration": "It changes stored data, which a revert does not bring back.",
    "agent-instructions": (
        "These files tell coding agents and editors what to do or start: whoever writes them steers"
        " others later."
    ),
    "build-code": "It is run by whoever builds or installs the project, with their rights.",
    "dependency-source": (
        "Code from another index, URL or disk than the registries is not what the name promises."
    ),
    "infrastructure": "It says what runs in production. Look whether the failing build needs that.",
    "security-code": "A small change there can open a door. Let somebody look who knows this part.",
    "shadows-module": (
        "A file of this name is imported in place of the runner's or Python's own module."
    ),
    # tests
    "deletes-test": "A test that is gone cannot fail.",
    "renames-test": "Runners find tests by their names: a renamed one may no longer run.",
    "empties-test": "A test with an empty body is always green.",
    "weakens-assert": (
        "The test would demand less than before: it is the code that must meet the test."
    ),
    "changes-assert": (
        "The test would demand something else. That is right only if the old demand was wrong: ask"
        " who wrote it."
    ),
    "only-expectations": (
        "Nothing of the code changes, only what tests expect of it: they would say what is, not"
        " what should be."
    ),
    "touches-tests": (
        "It changes tests or their data. Look whether they still show what they are there to show."
    ),
    "skips-test": "A test that is skipped, expected to fail or left out of the run cannot fail.",
    "returns-early": "What stands after the return is no longer tested.",
    # ways to look green
    "exit-zero": "It ends the command with success, or ignores its failure, whatever the outcome.",
    "test-hook": "It changes how the test runner judges or reports, instead of what is judged.",
    "asks-for-the-test": "Code that behaves otherwise when it is tested is not what users get.",
    "swallows-failure": "The failure still happens and is only no longer seen.",
    "catches-everything": (
        "Such a handler also hides failures that nobody thought of. Look whether it can be"
        " narrower."
    ),
    "always-equal": "A comparison that is always true cannot find a difference.",
    "silences-check": "The check would no longer look at what it found.",
    "loosens-type": (
        "The checker no longer looks at what it complained about. Look what the value really is."
    ),
    "hardcodes-answer": (
        "It may be a special case, or the expected answer of the failing test: compare with the"
        " test's own values."
    ),
    "other-encoding": (
        "The file is in an encoding of its own: look at the change in an editor that knows it."
    ),
    "takes-out": "The failing part may only have been taken out: look who needs what it did.",
    "test-needs-outside": (
        "A test that fetches or installs something depends on other machines, and runs other"
        " people's code."
    ),
    "waits": "Waiting or trying again often hides a race instead of mending it.",
    # what it can do
    "secret": "Secrets in a repository stay in its history.",
    "exfiltrates": "Whatever CI knows (tokens, keys) would be shown or sent to others.",
    "reads-secrets": "No fix of a build needs the machine's own credentials.",
    "obfuscated": "Code that hides what it does cannot be reviewed.",
    "far-right": "Most people never scroll there: code may stand behind the blanks.",
    "homoglyph": "The name looks like another one and is not (CVE-2021-42694).",
    "insecure": (
        "It takes away a protection. If the build fails for a certificate, the machine's trust is"
        " to be mended."
    ),
    "active-content": "Whoever opens the page runs it.",
    "destroys": "It would delete what does not belong to the project.",
    "power": (
        "It starts programs, talks to other machines or makes code from text. Look whether the fix"
        " needs that."
    ),
    # what people said
    "refused-before": "A person refused this very patch for this failure.",
}


def explain(rule: str) -> str:
    """Empty for rules of others: what an injected text tried, say, is told whole in the
    objection.
    """
    return EXPLANATIONS.get(rule, "")
