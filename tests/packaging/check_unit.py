#!/usr/bin/python3
"""Fails when the systemd unit is not valid or lost one of its protections.

Asks systemd-analyze where it is installed; the list below is held everywhere.
usage: check_unit.py UNIT
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

REQUIRED = {
    "Type": "notify",
    "User": "crossfade",
    "ExecReload": "/bin/kill -HUP $MAINPID",
    "ConfigurationDirectory": "crossfade",
    "StateDirectory": "crossfade",
    "LimitCORE": "0",
    "CapabilityBoundingSet": "",
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "MemoryDenyWriteExecute": "yes",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "SystemCallArchitectures": "native",
}
EXPOSURE_MAX = 20  # tenths, as systemd-analyze's --threshold wants it


def parse(text):
    """{section: {key: [values]}}; a line that is none of these is an error."""
    sections, current = {}, None
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[" and line[-1] == "]":
            current = sections.setdefault(line[1:-1], {})
        elif current is not None and "=" in line:
            key, value = line.split("=", 1)
            current.setdefault(key.strip(), []).append(value.strip())
        else:
            sys.exit(f"line {number}: neither a section nor KEY=VALUE: {line}")
    return sections


def missing(service):
    for key, value in REQUIRED.items():
        if value not in service.get(key, []):
            yield f"[Service] wants {key}={value}, has {service.get(key)}"
    if not any("@system-service" in value for value in service.get("SystemCallFilter", [])):
        yield "[Service] has no SystemCallFilter=@system-service"


def with_programs_of_here(text):
    """crossfade is not installed where this runs, and a small system lacks even kill."""
    return re.sub(r"^(Exec\w+)=\S+", r"\1=/bin/true", text, flags=re.MULTILINE)


def analyze(text):
    """What systemd-analyze says of the unit."""
    tool = shutil.which("systemd-analyze")
    if not tool:
        return []
    with tempfile.TemporaryDirectory() as folder:
        unit = pathlib.Path(folder) / "crossfade.service"
        unit.write_text(with_programs_of_here(text))
        found = []
        for command in ([tool, "verify", "--man=no", str(unit)],
                        [tool, "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", "--no-pager", str(unit)]):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode or "Unknown key" in done.stderr:
                found.append(" ".join(command) + "\n" + done.stdout[-2000:] + done.stderr)
        return found


def main():
    text = pathlib.Path(sys.argv[1]).read_text()
    sections = parse(text)
    found = list(missing(sections.get("Service", {}))) + analyze(text)
    if "@" in "".join(sections.get("Service", {}).get("ExecStart", ["@"])):
        found.append("ExecStart was not filled in")
    print("\n".join(found) if found else "the unit holds")
    sys.exit(1 if found else 0)


main()
