"""Manual page and completion of a click program."""

from __future__ import annotations

import subprocess

import click

from pages import completion, escaped, manual


@click.group()
def program() -> None:
    """Does things."""


@program.command()
@click.argument("host")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def join(host: str, dry_run: bool) -> None:
    """Join a host.

    \b
    prog join HOST
    .prog is not a request
    """


@program.command(hidden=True)
def secret() -> None:
    """Not for people."""


@program.group()
def token() -> None:
    """Tokens."""


@token.command("list")
def list_tokens() -> None:
    """All tokens."""


def test_manual_has_each_visible_command_with_its_options() -> None:
    page = manual(program, "prog", "1.2")
    assert page.startswith('.TH PROG 1 "" "kubefort 1.2" "Kubefort"\n')
    sections = [line.removeprefix(".SS ") for line in page.splitlines() if line.startswith(".SS ")]
    assert sections == ["prog join", "prog token list"]
    assert ".B \\-\\-dry\\-run\nOnly say what would be done." in page
    assert "secret" not in page


def test_text_never_becomes_a_request() -> None:
    assert escaped(".so /etc/passwd\n'x\na-b\\c") == "\\&.so /etc/passwd\n\\&'x\na\\-b\\ec"
    assert "\n\\&.prog is not a request" in manual(program, "prog", "1")


def test_completion_asks_the_program_and_is_valid_bash() -> None:
    script = completion(program, "prog", "bash")
    assert "_PROG_COMPLETE=bash_complete" in script
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
