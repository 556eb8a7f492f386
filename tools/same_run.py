#!/usr/bin/env python3
"""same_run.py A B: true (exit 0) if two pruned folders are the same but for figures of time and memory.

Every file is compared byte for byte; of prune_report.json everything but seconds, peak_bytes, command, report_sha256 and
the seconds of each block."""
import json
import os
import sys


def still(path):
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    for key in ("seconds", "peak_bytes", "command", "report_sha256"):
        report[key] = None
    for block in report["blocks"]:
        block["seconds"] = None
    return json.dumps(report)


def contents(folder, name):
    path = os.path.join(folder, name)
    if name == "prune_report.json":
        return still(path)
    with open(path, "rb") as file:
        return file.read()


def main(a, b):
    names = sorted(os.listdir(a))
    if names != sorted(os.listdir(b)):
        print(f"{a} and {b} do not hold the same files")
        return 1
    different = [name for name in names if contents(a, name) != contents(b, name)]
    for name in different:
        print(f"{name} differs")
    return 1 if different else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2]))
