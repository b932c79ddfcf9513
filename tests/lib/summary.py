#!/usr/bin/python3
"""Adds up JUnit files (meson's and pytest's) and prints the closing lines.

summary.py DIR: counts DIR/*.xml and DIR/*.failed (steps that broke before they
could write a result, one message each). Exit 1 on a failure or when nothing ran.
"""
import sys
import xml.etree.ElementTree as ET
from pathlib import Path


def outcomes(path):
    """(title, 'passed' | 'failed' | 'skipped', message) of every test case."""
    for case in ET.parse(path).iter('testcase'):
        kinds = {child.tag: child for child in case}
        title = '/'.join(filter(None, (case.get('classname'), case.get('name'))))
        bad = kinds.get('failure', kinds.get('error'))
        if bad is not None:
            yield title, 'failed', bad.get('message') or ''
        elif 'skipped' in kinds:
            yield title, 'skipped', kinds['skipped'].get('message') or ''
        else:
            yield title, 'passed', ''


def main(folder):
    counts = {'passed': 0, 'failed': 0, 'skipped': 0}
    lines = {'failed': [], 'skipped': []}
    for path in sorted(Path(folder).glob('*.xml')):
        try:
            found = list(outcomes(path))
        except ET.ParseError as e:
            found = [(path.name, 'failed', f'unreadable result: {e}')]
        for title, kind, message in found:
            counts[kind] += 1
            if kind in lines:
                first = (message.strip().splitlines() or [''])[0][:160]
                lines[kind].append(f'  {kind}: {path.stem}: {title}' + (f' ({first})' if first else ''))
    for path in sorted(Path(folder).glob('*.failed')):
        counts['failed'] += 1
        lines['failed'].append(f'  failed: {path.read_text().strip()}')
    print()
    for line in lines['skipped'] + lines['failed']:
        print(line)
    if counts['skipped']:
        print(f'{counts["skipped"]} skipped')
    if counts['passed'] + counts['failed'] == 0:
        print('no test ran')
    print(f'{counts["passed"]} passed, {counts["failed"]} failed')
    return 0 if counts['passed'] and not counts['failed'] else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
