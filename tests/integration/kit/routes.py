# SPDX-License-Identifier: Apache-2.0
"""The REST operations that exist, read from the tables in plugins/*/*.c, so that a test can say: all."""
import re

from .node import TOP

# Of plugins whose tables do not say it in so many words.
MOUNTS = {"publisher": ["/api/am/publisher"]}
# The nodes of a cluster are the operator's business, and no part of an all-in-one node (test_cluster.py).
LEFT_OUT = {"members"}
TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|([A-Za-z_]\w*)(?:\(("[^"]*")\))?')
MACRO = re.compile(r"^#define (\w+)(?:\((\w+)\))? (.+)$", re.M)


def strip_comments(text):
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.S)


def evaluate(expression, macros):
    """String literals and macros side by side as one string; NULL is None."""
    parts = []
    for literal, name, argument in TOKEN.findall(expression):
        if name == "NULL":
            return None
        if name:
            parameter, body = macros[name]
            literal = evaluate(body, {**macros, parameter: (None, argument)})
        parts.append(literal)
    return "".join(parts)


def split_row(row):
    """Cut a row of a table at its commas."""
    return [p.strip() for p in re.findall(r'(?:"(?:[^"\\]|\\.)*"|[^,"])+', row) if p.strip()]


def rows_of(table, prefix, macros):
    rows = []
    for row in re.findall(r"\{([^{}]*(?:\{[^{}\s]*\}[^{}]*)*)\}", table):
        cells = split_row(row)
        if cells[0].startswith("."):
            continue  # the end of the table
        method, where, scopes = (evaluate(c, macros) for c in cells[:3])
        rows.append((method, prefix + where, scopes))
    assert len(rows) == len(re.findall(r'\{\s*"(?:GET|POST|PUT|PATCH|DELETE|HEAD)"', table)), prefix
    return rows


def routes_of(path):
    """(method, full path, scopes) of each row of one source file; its APIs have mounts in their order."""
    text = strip_comments(path.read_text())
    tables = dict(re.findall(r"struct rest_route (\w+)\[\] = \{(.*?)\n\};", text, re.S))
    if not tables:
        return []
    macros = {name: (parameter, body) for name, parameter, body in MACRO.findall(text)}
    apis = re.findall(r"struct rest_api \w+ = \{.*?\.version = (\d+).*?\.routes = (\w+)", text, re.S)
    prefixes = MOUNTS.get(path.parent.name)
    if prefixes is None:
        mounts = re.search(r"struct gh_mount_row \w+\[\] = \{(.*?)\n\};", text, re.S).group(1)
        prefixes = re.findall(r'"(/[^"]+)"', mounts)
    assert {routes for _, routes in apis} == set(tables) and len(apis) <= len(prefixes), path
    return [row for (version, routes), prefix in zip(apis, prefixes)
            for row in rows_of(tables[routes], prefix + (f"/v{version}" if version != "0" else ""), macros)]


def all_routes():
    found = [row for path in sorted((TOP / "plugins").glob("*/*.c"))
             if path.parent.name not in LEFT_OUT for row in routes_of(path)]
    assert found
    return found
