"""What `verify` says at its end: what was looked at, the root hash, who attested it, and what was not looked at."""

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from reeltrace.artifacts.json_values import read_json
from reeltrace.artifacts.names import MANIFEST
from reeltrace.artifacts.root_hash import root_hash
from reeltrace.attest.check import ATTESTATION, check
from reeltrace.attest.keys import known_id
from reeltrace.attest.names import ATTESTED
from reeltrace.attest.statement import REPORT
from reeltrace.errors import CheckFailed, Problem
from reeltrace.verify.published import TEXTS


def root_of_report(results: Path) -> str | None:
    """The root hash over the manifests of the report's inputs, as its page prints it; None where they are not there."""
    try:
        inputs = read_json(results / REPORT / MANIFEST)["inputs"]
        return root_hash({str(name): results / str(name) for name in inputs})
    except (CheckFailed, OSError, LookupError, TypeError, AttributeError):
        return None


def counted(problems: Collection[Problem]) -> str:
    """How many problems there are of each kind, in words."""
    kinds = Counter(problem.kind for problem in problems).most_common()
    many = f"{len(problems)} problem{'' if len(problems) == 1 else 's'}"
    return f"{many} ({', '.join(f'{count} {kind}' for kind, count in kinds)})"


def attested_by(results: Path) -> str:
    """Who attested the report and when, in words; of an attestation that does not hold, only that."""
    found = check(results / ATTESTED)
    if not found.there:
        return "not attested (`reeltrace attest` does it)"
    if found.problems:
        return "its attestation does not hold"
    whose = "your own key" if found.key == known_id() else "a key that is not yours"
    log = f"report {found.number} of its log"
    more = (
        "; sigstore's bundle is of that statement, its signature was not verified: sigstore's own program does that"
        if found.bundle
        else ""
    )
    return f"attested {found.time} by {found.key[:16]}..., {whose}, {log}{more}"


def elsewhere(results: Path, project: Mapping[str, str]) -> str:
    """Which files and trees of the project are not those that the report was attested with, in words; "" where none.

    `project` has the digests of now. An edit there need not concern a result: what concerns one makes it stale.
    """
    then = check(results / ATTESTED).project
    other = sorted(name for name, sha256 in project.items() if name in then and then[name] != sha256)
    return (
        f"attested with another {', '.join(name.partition('/')[2] for name in other)} than there is now"
        if other
        else ""
    )


def strictly(results: Path, other: str) -> list[Problem]:
    """What `verify --strict` does not let pass: no attestation, or one with another project, which `other` says."""
    folder = str(results / ATTESTED)
    if not check(results / ATTESTED).there:
        return [Problem(ATTESTATION, folder, "there is no attestation; `reeltrace attest` attests what is there")]
    return [Problem(ATTESTATION, folder, other)] if other else []


def left_out(
    *,
    bulk: str,
    replayed: str,
    key: bool,
    part: bool,
    texts: bool,
    unheld: Collection[str] = (),
    receipts: bool = True,
) -> str:
    """What was not looked at, in words. `bulk` and `replayed` say which share was: "all", some percent, "" for none.

    `key` and `texts` say whether there was a key to ask for, and the documents' own texts to look into.
    `unheld` names documents that were held to none of these, `receipts` says whether an attestation held those.
    """
    rest = [] if bulk == "all" else [f"the bytes of {'other ' if bulk else ''}files over 1 MB (--data)"]
    if replayed != "all":
        rest.append(f"whether {'other ' if replayed else ''}results come out again (--replay)")
    if part:
        beside = "whose key that is" if receipts else "receipts, which nothing attests"
        beside += ", the documents' own texts, the rest of the page"
        rest.append(f"{beside}, and what is not behind this (`verify`)")
    elif not key:
        rest.append("whose key that is (--key)")
    if not texts and not part:
        rest.append(f"the transcribed values in the documents' own texts ({TEXTS} names their folder)")
    elif unheld and not part:
        rest.append(f"in the documents' own texts the transcribed values of {', '.join(unheld)}")
    return "; ".join(rest) or "nothing that could be"
