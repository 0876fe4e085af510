# SPDX-License-Identifier: MIT
"""Costs inside the process, without packets: one submit in core/, one classify in the engine."""
import subprocess

from gatetest import names

FEW, MANY = 1000, 1000000
FILTERS = 100000


def lines(program, *arguments):
    """A benchmark's output: {name: [numbers]}."""
    command = [names.find_program(program), *(str(a) for a in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{program}: {done.stderr.strip()}")
    return {line.split()[0]: [float(word) for word in line.split()[1:]] for line in done.stdout.splitlines()}


def submits(quick):
    """Each size several times, in turns; the best of each, since everything else only adds."""
    best = {}
    for _ in range(1 if quick else 3):
        for held in (FEW, MANY):
            for kind, (p50, p99) in lines("pend_table_bench", held, 20000 if quick else 200000).items():
                key = (kind, held)
                if key not in best or p50 < best[key]["p50_ns"]:
                    best[key] = {"held": held, "p50_ns": p50, "p99_ns": p99}
    kinds = sorted({kind for kind, _ in best})
    return {kind: [best[kind, FEW], best[kind, MANY]] for kind in kinds}


def measure(quick, notes):
    figures = {}
    for key, function in (("submit", lambda: submits(quick)), ("classify", classifies)):
        try:
            figures[key] = function()
        except names.Missing as reason:
            notes.append(f"{key}: not measured, {reason}")
    return figures


def classifies():
    """Each mix of filters in two sizes; the better p50 of three runs, since everything else only adds."""
    found = []
    for mix in ("programs", "prefixes4", "prefixes6", "triples", "ports", "list", "mixed"):
        for filters in (100, FILTERS):
            runs = [lines("classify_bench", mix, filters) for _ in range(3)]
            best = min(runs, key=lambda run: run["classify"][0])
            found.append(
                {
                    "mix": mix,
                    "filters": filters,
                    "p50_ns": best["classify"][0],
                    "p99_ns": best["classify"][1],
                    "cold_p50_ns": best["cold"][0],
                    "add_ms": min(run["add"][0] for run in runs),
                    "delete_ms": min(run["delete"][0] for run in runs),
                    "change_us": [min(run["change"][i] for run in runs) for i in range(3)],
                    "resident_kib": best["resident"][0],
                }
            )
    return found
