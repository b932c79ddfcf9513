#!/usr/bin/python3
"""Holds the Grafana dashboard and the alert rules in step with the metrics.

Every metric and label they use is in docs/metrics.md, which the unit tests
hold to the code; where promtool is installed it parses the rules and every
query of the dashboard.
usage: check_monitoring.py PROJECT_ROOT
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

OF_PROMETHEUS = {"instance", "job"}  # labels that it adds itself
ROW = re.compile(r"^\| `(crossfade_\w+)` \| (\w+) \| ([^|]*) \|", re.M)


def documented(root):
    rows = ROW.findall((root / "docs" / "metrics.md").read_text())
    known = {name: set(re.findall(r"\w+", labels)) for name, _, labels in rows}
    for name, kind, _ in rows:
        if kind == "histogram":
            known[name + "_bucket"] = known[name] | {"le"}
            known[name + "_sum"] = known[name + "_count"] = known[name]
    return known


def problems(where, query, known):
    for name, matchers in re.findall(r"\b(crossfade_\w+)(?:\{([^}]*)\})?", query):
        if name not in known:
            yield f"{where}: there is no metric {name}"
            continue
        for label in set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers)) - known[name] - OF_PROMETHEUS:
            yield f"{where}: {name} has no label {label}"
    for names in re.findall(r"\bby \(([^)]*)\)", query):
        available = set().union(*(known.get(n, set()) for n in re.findall(r"crossfade_\w+", query)))
        for label in set(re.findall(r"\w+", names)) - available - OF_PROMETHEUS:
            yield f"{where}: nothing in the query has the label {label}"


def queries(dashboard):
    ids = [panel["id"] for panel in dashboard["panels"]]
    if len(set(ids)) != len(ids):
        sys.exit("the dashboard has two panels of one id")
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def promtool(rules_text):
    tool = shutil.which("promtool")
    if not tool:
        return []
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        file.write(rules_text)
        file.flush()
        done = subprocess.run([tool, "check", "rules", file.name], capture_output=True, text=True)
    return [] if done.returncode == 0 else [done.stdout + done.stderr]


def main():
    root = pathlib.Path(sys.argv[1])
    known = documented(root)
    alerts_text = (root / "config" / "alerts.yml").read_text()
    rules = [rule for group in yaml.safe_load(alerts_text)["groups"] for rule in group["rules"]]
    panels = list(queries(json.loads((root / "config" / "grafana" / "crossfade.json").read_text())))
    found = [p for rule in rules for p in problems(rule["alert"], rule["expr"], known)]
    found += [p for title, query in panels for p in problems(title, query, known)]
    as_rules = {"groups": [{"name": "panels", "rules": [
        {"record": f"panel:{i}", "expr": query.replace("$__rate_interval", "5m")}
        for i, (_, query) in enumerate(panels)]}]}
    found += promtool(alerts_text) + promtool(yaml.safe_dump(as_rules))
    print("\n".join(found) if found else f"{len(rules)} alerts and {len(panels)} queries use metrics that exist")
    sys.exit(1 if found or len(known) < 10 or not rules or not panels else 0)


main()
