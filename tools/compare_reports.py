"""Compare two report.json: python tools/compare_reports.py BEFORE AFTER.

What a change of the code alone must leave as it is: every value, verdict, claim, trace and setting. Hashes are left
out, which follow from the code, and times and memory, which follow from the machine and the moment. Exit 1 where the
two differ otherwise, with the first differences.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HASH = re.compile(r"[0-9a-f]{64}")
SHOWN = 40
OBSERVED = ("seconds", "hours", "gigabytes", "rate")  # units of what belongs to a machine and a moment


def plain(value: Any) -> Any:
    """A value without hashes."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in sorted(value.items()) if not key.endswith("sha256")}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return HASH.sub("<hash>", value) if isinstance(value, str) else value


def observed(report: Any) -> set[str]:
    """The identities of numbers that are times or memory of a machine, and of what is made of them."""
    cells = {c["id"] for c in report["cells"] if c["unit"] in OBSERVED and c["reproduced"] is not None}
    return cells | {c["id"] for c in report["cells"] if c["reproduced"] and "ratio" in c["reproduced"]}


def parts(report: Any) -> dict[str, Any]:
    """The report by parts that are compared each: lists by identity, so that another order is no difference."""
    seen = observed(report)
    found: dict[str, Any] = {}
    for part, value in plain(report).items():
        if part in ("cells", "claims", "numbers", "equivariance", "assumptions", "overrides", "datasets"):
            for item in value:
                names = [item[k] for k in ("document", "table", "row", "column", "path", "key", "id") if k in item]
                name = f"{part} {'/'.join(map(str, names))} {item.get('transform', '')}".strip()
                whose = str(item.get("id", ""))
                if not any(whose == one or whose.startswith(f"{one}/") for one in seen) and "latency" not in name:
                    found[name] = item
        elif part == "artifacts":
            for name, item in value.items():
                found[f"{part} {name}"] = {k: v for k, v in item.items() if k not in ("inputs", "outputs")} | {
                    "inputs": sorted(item["inputs"]),
                    "outputs": sorted(item["outputs"]),
                }
        else:
            found[part] = value
    return found


def differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            yield from differences(before.get(key, "<absent>"), after.get(key, "<absent>"), f"{path}/{key}")
    elif before != after:
        yield f"{path}: {str(before)[:80]} -> {str(after)[:80]}"


def main() -> int:
    before, after = (parts(json.loads(Path(path).read_text(encoding="utf-8"))) for path in sys.argv[1:3])
    found = list(differences(before, after))
    print("\n".join(found[:SHOWN]))
    print(f"{len(found)} differences in {len({*before, *after})} parts")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
