# SPDX-License-Identifier: Apache-2.0
"""The REST operations that exist, read from the tables in plugins/*/*.c, so that a test can say: all."""
import re

from .node import TOP

TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|([A-Za-z_]\w*)')


def strip_comments(text):
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.S)


def evaluate(expression, macros):
    """String literals and macros side by side as one string; NULL is None."""
    parts = []
    for literal, name in TOKEN.findall(expression):
        if name == "NULL":
            return None
        parts.append(evaluate(macros[name], macros) if name else literal)
    return "".join(parts)


def split_row(row):
    """Cut a row of a table at its commas."""
    return [p.strip() for p in re.findall(r'(?:"(?:[^"\\]|\\.)*"|[^,"])+', row) if p.strip()]


def routes_of(path):
    """(method, full path, scopes) of each row of one source file."""
    text = strip_comments(path.read_text())
    table = re.search(r"struct rest_route \w+\[\] = \{(.*?)\n\};", text, re.S)
    if not table:
        return []
    macros = dict(re.findall(r"^#define (\w+) (.+)$", text, re.M))
    version = int(re.search(r"struct rest_api \w+ = \{.*?\.version = (\d+)", text, re.S).group(1))
    mounts = re.search(r"struct gh_mount_row \w+\[\] = \{(.*?)\n\};", text, re.S).group(1)
    prefix = re.search(r'"(/[^"]+)"', mounts).group(1) + (f"/v{version}" if version else "")
    rows = []
    for row in re.findall(r"\{([^{}]*(?:\{[^{}\s]*\}[^{}]*)*)\}", table.group(1)):
        cells = split_row(row)
        if cells[0].startswith("."):
            continue  # the end of the table
        method, where, scopes = (evaluate(c, macros) for c in cells[:3])
        rows.append((method, prefix + where, scopes))
    assert len(rows) == len(re.findall(r'\{\s*"(?:GET|POST|PUT|PATCH|DELETE|HEAD)"', table.group(1))), path
    return rows


def all_routes():
    found = [row for path in sorted((TOP / "plugins").glob("*/*.c")) for row in routes_of(path)]
    assert found
    return found
