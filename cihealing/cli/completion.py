"""`cihealing completion bash|zsh|fish`: a script that completes commands and options in a shell."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from cihealing.cli.shared.command import Needs, ProductCommand
from cihealing.cli.shared.completing import places
from cihealing.cli.shared.shells import SHELLS


class Command(ProductCommand, needs=Needs.OWN_DATA):
    help = (
        "Print a script that completes commands and options. Where it goes: bash,"
        " ~/.local/share/bash-completion/completions/cihealing; fish,"
        " ~/.config/fish/completions/cihealing.fish; zsh, _cihealing in a directory of fpath. Or:"
        ' eval "$(cihealing completion bash)".'
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("shell", choices=SHELLS, help="the shell that is to complete")

    def handle(self, *args: Any, shell: str, **options: Any) -> None:
        self.stdout.write(SHELLS[shell](places()))
