#!/usr/bin/python3
"""Holds --help, the man pages and the shell completions in step.

Every command of `crossfade --help` has a man page that is named in
crossfade(1), and every option of `crossfade COMMAND --help` is in that page
and offered by bash, zsh and fish; nothing else is.
usage: check.py CROSSFADE PROJECT_ROOT
"""
import pathlib
import re
import subprocess
import sys

# Every command has these; crossfade(1) explains them once.
COMMON = {"--help", "--usage", "-?", "-h"}

COMMAND = re.compile(r"^  ([a-z]+) +\S")
OPTION = re.compile(r"^ +(?:(-\S)(?:[= ]?[A-Z]\S*)?, )?(--[a-z0-9][a-z0-9-]*)|^ +(-\S)(?:, |  )")


def help_of(program, *command):
    done = subprocess.run([program, *command, "--help"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"crossfade {' '.join(command)} --help exits {done.returncode}: {done.stderr}")
    return done.stdout.splitlines()


def commands(program):
    return [m.group(1) for m in map(COMMAND.match, help_of(program)) if m]


def help_options(program, command):
    found = set()
    for line in help_of(program, command):
        match = OPTION.match(line)
        if match:
            found |= {name for name in match.groups() if name}
    return found - COMMON


def man_options(page):
    """The options that are items of a list in the page."""
    found = set()
    for line in page.read_text().splitlines():
        if line.startswith(".It ") and "Fl" in line.split():
            words = line.split()
            found |= {"-" + name for flag, name in zip(words, words[1:]) if flag == "Fl"}
    return found - COMMON


def bash_offers(script, *words):
    """What bash offers to complete the last word with."""
    line = " ".join(words)
    program = (f"source '{script}'; COMP_WORDS=({' '.join(repr(w) for w in words)}); COMP_CWORD={len(words) - 1}; "
               f"COMP_LINE='{line}'; COMP_POINT={len(line)}; _crossfade; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    done = subprocess.run(["bash", "--norc", "-c", program], capture_output=True, text=True)
    if done.returncode or done.stderr:
        sys.exit(f"{script}: {line}: {done.stderr}")
    return {word.strip() for word in done.stdout.splitlines() if word.strip()}


def bash_options(script, command):
    offered = bash_offers(script, "crossfade", command, "-")
    if "--help" not in offered:
        sys.exit(f"{script}: {command}: --help is not offered")
    return offered - COMMON


def zsh_options(text, command):
    block = re.search(rf"^\s*{command}\)(.*?);;", text, re.S | re.M)
    specs = re.findall(r"^\s*['{(]\S*?(?=\[)|^\s*'?\([^)]*\)'?\{[^}]*\}", block.group(1), re.M) if block else []
    return set(re.findall(r"--?[a-zA-Z0-9][a-z0-9-]*", " ".join(specs))) - COMMON


def fish_options(text, command):
    found = set()
    for line in text.splitlines():
        if re.search(rf"__fish_seen_subcommand_from [a-z ]*\b{command}\b", line):
            words = line.split()
            for flag, name in zip(words, words[1:]):
                found |= {"--" + name} if flag == "-l" else {"-" + name} if flag == "-s" else set()
    return found - COMMON


def compare(command, want, what, have):
    for name in sorted(want - have):
        yield f"{command}: {name} is in --help, not in {what}"
    for name in sorted(have - want):
        yield f"{command}: {name} is in {what}, not in --help"


def check_command(program, root, command):
    want = help_options(program, command)
    if not want:
        yield f"{command}: no options found in its --help"
    page = root / "docs" / "man" / f"crossfade-{command}.1"
    if not page.exists():
        yield f"{command}: {page} is missing"
    else:
        yield from compare(command, want, page.name, man_options(page))
    folder = root / "config" / "completion"
    # A long option is enough where it has a short form too.
    long = {name for name in want if name.startswith("--")}
    yield from compare(command, long, "bash completion",
                       {n for n in bash_options(folder / "crossfade.bash", command) if n.startswith("--")})
    yield from compare(command, want, "zsh completion", zsh_options((folder / "_crossfade").read_text(), command))
    yield from compare(command, want, "fish completion",
                       fish_options((folder / "crossfade.fish").read_text(), command))


def check_values(script):
    """Values are completed too, also after an equals sign, which bash makes a word of its own."""
    for words, want in ((["report", "--format", ""], {"text", "json", "csv", "html"}), (["report", "--format", "="], {"text", "json", "csv", "html"}),
                        (["report", "--format", "=", "j"], {"json"}), (["report", "--app", ""], set())):
        have = bash_offers(script, "crossfade", *words)
        if have != want:
            yield f"bash completion of {' '.join(words)!r} offers {sorted(have)}, not {sorted(want)}"


def main():
    program, root = sys.argv[1], pathlib.Path(sys.argv[2])
    names = commands(program)
    if not names:
        sys.exit("crossfade --help lists no commands")
    found = []
    main_page = (root / "docs" / "man" / "crossfade.1").read_text()
    for name in names:
        if f"Xr crossfade-{name} 1" not in main_page:
            found.append(f"crossfade.1 does not refer to crossfade-{name}(1)")
        found += check_command(program, root, name)
    script = root / "config" / "completion" / "crossfade.bash"
    offered = bash_offers(script, "crossfade", "")
    found += compare("crossfade", set(names), "bash completion", offered - {"--help", "--version"})
    found += check_values(script)
    print("\n".join(found) if found else f"{len(names)} commands: help, man pages and completions agree")
    sys.exit(1 if found else 0)


main()
