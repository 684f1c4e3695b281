"""Has the real azure-cli parse command lines, without running one or asking anybody: one JSON array of words a line.

What its core commands refuse is told on standard output, and ends this with status 1. Commands and values of
extensions are not in the core; how many there were is told as unverified.
"""

import contextlib
import io
import json
import sys

from azure.cli.core import get_default_cli
from azure.cli.core.parser import AzCliCommandParser

# Groups that are extensions, and flags of core commands whose value an extension knows (aks-preview).
EXTENSIONS = ("confcom", "attestation")
EXTENDED = {"--workload-runtime"}

cli = get_default_cli()


def parse(words):
    """Returns what the parser has against the words, or None."""
    cli.invocation = cli.invocation_cls(
        cli_ctx=cli, parser_cls=cli.parser_cls, commands_loader_cls=cli.commands_loader_cls, help_cls=cli.help_cls
    )
    cli.invocation.data["command_string"] = " ".join(words)
    loader = cli.invocation.commands_loader
    loader.load_command_table(words)
    name = " ".join(word for word in words[: next((i for i, w in enumerate(words) if w.startswith("-")), len(words))])
    if name not in loader.command_table:
        return "no such command"
    loader.command_table = {name: loader.command_table[name]}
    loader.load_arguments(name)
    parser = AzCliCommandParser(cli, prog="az", parents=[AzCliCommandParser.create_global_parser(cli_ctx=cli)])
    parser.load_command_table(loader)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            parser.parse_args(words)
    except SystemExit:
        return said.getvalue().splitlines()[0]
    return None


def main():
    refused = verified = unverified = 0
    for line in sys.stdin:
        words = json.loads(line)
        if words[0] in EXTENSIONS:
            unverified += 1
            continue
        for flag in EXTENDED.intersection(words):
            at = words.index(flag)
            words, unverified = words[:at] + words[at + 2 :], unverified + 1
        if problem := parse(words):
            print(f"az {' '.join(words)}: {problem}")
            refused += 1
        verified += 1
    print(f"{verified} command lines parsed, {refused} refused; {unverified} commands or values of extensions unverified")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
