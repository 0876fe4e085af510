#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""import_test GATEHOUSE - rules of OpenSnitch and simplewall as rules of ours.

The oracle for what an imported policy decides is a small evaluator of OpenSnitch's own order, written from its documentation:
rules by name; one that denies or has precedence decides at once; else any that allows. `rules explain` has to agree.
"""
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile

GATEHOUSE = sys.argv[1]
failed = number = 0


def case(function):
    global failed, number  # pylint: disable=global-statement
    number += 1
    with tempfile.TemporaryDirectory() as folder:
        try:
            function(pathlib.Path(folder))
            print(f"ok {number} - {function.__name__}")
        except Exception as error:  # pylint: disable=broad-except
            failed += 1
            print(f"not ok {number} - {function.__name__}")
            print("\n".join("# " + line for line in f"{type(error).__name__}: {error}".splitlines()))


def gatehouse(*words):
    return subprocess.run([GATEHOUSE, *map(str, words)], capture_output=True, text=True, timeout=60, check=False)


def simple(operand, data, kind="simple"):
    return {"type": kind, "operand": operand, "data": data}


def rule(name, action, *operators, **more):
    one = operators[0] if len(operators) == 1 else {"type": "list", "operand": "list", "list": list(operators)}
    return {"name": name, "enabled": True, "precedence": False, "action": action, "duration": "always", "operator": one, **more}


def write(folder, *rules):
    for i, one in enumerate(rules):
        (folder / f"{i}.json").write_text(json.dumps(one), encoding="utf-8")
    return folder


def lines(text):
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def each_matcher(folder):
    expected = {
        ("process.path", "/usr/bin/a b"): 'permit out program "/usr/bin/a b"',
        ("user.id", "1000"): "permit out user 1000",
        ("dest.ip", "192.0.2.1"): "permit out to 192.0.2.1",
        ("dest.network", "192.0.2.0/24"): "permit out to 192.0.2.0/24",
        ("dest.host", "example.org"): "permit out to example.org",
        ("dest.port", "443"): "permit out port 443",
        ("protocol", "udp"): "permit out proto udp",
        ("true", ""): "permit out",
    }
    for i, ((operand, data), text) in enumerate(expected.items()):
        path = folder / f"{i}.json"
        path.write_text(json.dumps(rule("x", "allow", simple(operand, data, "network" if "network" in operand else "simple"))))
        done = gatehouse("import", path)
        assert done.returncode == 0 and lines(done.stdout) == [text], (operand, done.stdout, done.stderr)


def expressions(folder):
    expected = {
        ("process.path", r"^(/usr/bin/a|/opt/b)$"): 'program { "/usr/bin/a", "/opt/b" }',
        ("process.path", r"^/opt/.*"): 'program "/opt/**"',
        ("process.path", r"/python3$"): 'program "/**/python3"',
        ("process.path", r"^/usr/bin/python3\.[0-9]+$"): None,
        ("dest.port", r"^(53|80|443)$"): "port { 53, 80, 443 }",
        ("dest.port", r"53"): None,
        ("dest.host", r"^.*\.example\.org$"): "to *.example.org",
        ("dest.host", r"^(|.*\.)example\.org$"): "to { example.org, *.example.org }",
        ("dest.host", r"(?i).*analytics.*\.google\.com"): None,
        ("user.id", r"^(0|1000)$"): "user { 0, 1000 }",
    }
    for i, ((operand, data), text) in enumerate(expected.items()):
        path = folder / f"{i}.json"
        path.write_text(json.dumps(rule("x", "deny", simple(operand, data, "regexp"))))
        done = gatehouse("import", path)
        assert done.returncode == (1 if text is None else 0), (data, done.stdout, done.stderr)
        assert lines(done.stdout) == ([] if text is None else ["block out " + text]), (data, done.stdout)
        assert text is not None or "not carried over" in done.stdout


def left_out_says_why(folder):
    write(folder, rule("disabled", "allow", simple("true", ""), enabled=False),
          rule("short", "allow", simple("true", ""), duration="5m"),
          rule("arguments", "allow", simple("process.command", "curl x")),
          rule("md5", "allow", simple("process.hash.md5", "d41d8cd98f00b204e9800998ecf8427e")),
          rule("lists", "deny", simple("lists.domains", "/etc/lists", "lists")),
          rule("lan", "allow", simple("dest.network", "LAN", "network")),
          rule("restart", "allow", simple("dest.port", "22"), duration="until restart"))
    done = gatehouse("import", folder)
    assert done.returncode == 1 and lines(done.stdout) == ["permit out port 22 until reboot"], done.stdout
    assert done.stdout.count("not carried over") == 6 and "1 rules were carried over" in done.stderr, (done.stdout, done.stderr)
    for word in ("disabled", "5m", "arguments", "SHA-256", "set NAME = file"):
        assert word in done.stdout, word


def hostile(folder):
    """A name that would end its comment, a path that would end its string, files that are none."""
    write(folder, rule("x\npermit all", "deny", simple("process.path", '/a" permit all #')))
    done = gatehouse("import", folder)
    assert "permit all" not in lines(done.stdout) and all(line.startswith("block out program ") for line in lines(done.stdout))
    for i, bytes_ in enumerate((b"", b"{", b"[1]", b"{}", b"<a/>", b"<root>", b"\0" * 100, b"<!DOCTYPE r [<!ENTITY a 'b'>]><root>&a;</root>",
                                b'{"operator": 5}', b'{"operator": {"type": "list", "list": 7}}')):
        path = folder / f"bad{i}"
        path.write_bytes(bytes_)
        done = gatehouse("import", path)
        assert done.returncode == 1 and not lines(done.stdout) and len(done.stderr.splitlines()) == 1, (bytes_, done)
    done = gatehouse("import", folder / "none")
    assert done.returncode == 1 and "No such file" in done.stderr, done


def random_rule(random_, name):
    operators = [simple("process.path", random_.choice(("/srv/a", "/srv/b", "/opt/c")))]
    if random_.random() < 0.5:
        operators.append(simple("dest.port", random_.choice(("80", "443"))))
    if random_.random() < 0.4:
        operators.append(simple("dest.network", random_.choice(("192.0.2.0/25", "192.0.2.128/25")), "network"))
    if random_.random() < 0.3:
        operators[0] = simple("process.path", random_.choice((r"^/srv/.*$", r"^(/srv/a|/opt/c)$")), "regexp")
    return rule(name, random_.choice(("allow", "deny")), *operators, precedence=random_.random() < 0.25)


def matches(operator, program, host, port):
    parts = operator["list"] if operator["type"] == "list" else [operator]
    for part in parts:
        data = part["data"]
        value = {"process.path": program, "dest.port": str(port)}.get(part["operand"])
        if part["operand"] == "dest.network":
            good = (int(host.rsplit(".", 1)[1]) >= 128) == data.startswith("192.0.2.128")
        elif part["type"] == "regexp":
            good = re.search(data, value) is not None
        else:
            good = value == data
        if not good:
            return False
    return True


def opensnitch(rules, program, host, port):
    allowed = False
    for one in sorted(rules, key=lambda one: one["name"]):
        if matches(one["operator"], program, host, port):
            if one["action"] == "deny" or one["precedence"]:
                return "block" if one["action"] == "deny" else "permit"
            allowed = True
    return "permit" if allowed else "ask"


def decides_the_same(folder):
    random_ = random.Random(6)
    asked = 0
    for round_ in range(12):
        place = folder / str(round_)
        place.mkdir()
        rules = [random_rule(random_, f"{random_.randrange(1000):03}-{i}") for i in range(random_.randrange(1, 9))]
        done = gatehouse("import", write(place, *rules))
        assert done.returncode == 0, done
        file = place / "rules"
        file.write_text(done.stdout, encoding="utf-8")
        for _ in range(12):
            program, host = random_.choice(("/srv/a", "/srv/b", "/opt/c", "/opt/d")), f"192.0.2.{random_.choice((1, 200))}"
            port = random_.choice((80, 443, 22))
            told = gatehouse("rules", "explain", "--json", "--file", file, program, f"{host}:{port}")
            want = opensnitch(rules, program, host, port)
            assert json.loads(told.stdout)["action"] == want, (want, told.stdout, done.stdout)
            asked += want != "ask"
    assert asked > 30, asked


def simplewall(folder):
    path = folder / "profile.xml"
    path.write_text("""<?xml version="1.0" encoding="UTF-8"?>
<root timestamp="1" type="3" version="5"><apps><item path="C:\\a b\\x.exe" is_enabled="true"/><item path="C:\\y.exe"/>
<item path="System" is_enabled="true"/></apps><rules_custom>
<item name="web" rule="80;443" protocol="6" apps="C:\\x.exe|D:\\y.exe" is_enabled="true"/>
<item name="bad &lt;net&gt;" rule="192.0.2.0/24" is_block="true" is_enabled="true"/>
<item name="mdns" rule="[ff02::fb]:5353" protocol="17" is_enabled="true"/>
<item name="ssh in" rule_local="22" dir="1" protocol="6" is_enabled="true"/>
<item name="mixed" rule="192.0.2.1:80;443" is_enabled="true"/><item name="both" dir="2" is_enabled="true"/>
</rules_custom></root>""", encoding="utf-8")
    done = gatehouse("import", path)
    assert done.returncode == 1, done
    assert lines(done.stdout) == ["block out to { 192.0.2.0/24 }", 'permit out program "C:\\\\a b\\\\x.exe"',
                                  'permit out program { "C:\\\\x.exe", "D:\\\\y.exe" } to any port { 80, 443 } proto tcp',
                                  "permit out to { ff02::fb } port { 5353 } proto udp",
                                  "permit in to any port { 22 } proto tcp"], done.stdout
    assert done.stdout.count("not carried over") == 4, done.stdout


for test in (each_matcher, expressions, left_out_says_why, hostile, decides_the_same, simplewall):
    case(test)
print(f"1..{number}")
sys.exit(1 if failed else 0)
