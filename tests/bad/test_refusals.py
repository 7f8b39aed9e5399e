# SPDX-License-Identifier: Apache-2.0
"""Every refusal, by exit code and message: wrong plugins, wrong manifests, wrong command lines.

The build to test is named by GATEHOUSE_BUILD, a build directory after `make check` has built the
plugins of this folder.
"""
import os
import pathlib
import shutil
import socket
import subprocess

import pytest

BUILD = pathlib.Path(os.environ.get("GATEHOUSE_BUILD", ".")).resolve()
LIBS = BUILD / "tests" / "bad" / ".libs"
DEADLINE_S = 30
PATH = "@PATH@"  # Stands for the plugin directory in messages.


@pytest.fixture(scope="session")
def plugin_dir(tmp_path_factory):
    """The plugins of this folder, in a directory that nobody else may write."""
    directory = tmp_path_factory.mktemp("plugins")
    directory.chmod(0o755)
    for lib in LIBS.glob("*.so"):
        copy = directory / lib.name
        shutil.copyfile(lib, copy)
        copy.chmod(0o644)
    return directory


def gatehouse(*arguments, env=None):
    done = subprocess.run([str(BUILD / "gatehouse"), *map(str, arguments)], capture_output=True, text=True,
                          timeout=DEADLINE_S, env={**os.environ, **(env or {})}, check=False)
    return done.returncode, done.stdout, done.stderr


def check(tmp_path, plugin_dir, manifest, env=None):
    """`gatehouse check` of a manifest's text; messages have m.yaml for its path."""
    path = tmp_path / "m.yaml"
    path.write_bytes(manifest if isinstance(manifest, bytes) else manifest.encode())
    code, out, err = gatehouse("check", "--manifest", path, "--plugin-path", plugin_dir, env=env)
    return code, out, err.replace(str(path), "m.yaml").replace(str(plugin_dir), PATH)


# ---- Plugins -------------------------------------------------------------------------------------

# Plugin, phase, reason.
WRONG_PLUGINS = [
    ("nowhere", "find", f"no file nowhere.so in {PATH}"),
    ("Upper", "find", "a plugin's name has lower-case letters, digits and '_'"),
    ("no_symbol", "load", f"{PATH}/no_symbol.so does not export the symbol gh_plugin"),
    ("unresolved", "load", f"{PATH}/unresolved.so: undefined symbol: nobody_has_this"),
    ("other_major", "descriptor", "it was built for ABI 1.2, this is ABI 0.2"),
    ("newer_minor", "descriptor", "it was built for ABI 0.3, this is ABI 0.2"),
    ("short_descriptor", "descriptor", "its descriptor has 160 bytes where this ABI has 168"),
    ("odd_rows", "descriptor", "its row of hooks has 32 bytes where this ABI has 24"),
    ("other_name", "descriptor", "it calls itself 'somebody', unlike its file"),
    ("no_version", "descriptor", "it has no name or no version"),
    ("option_default", "options", "option 'count': its default must be between 1 and 10"),
    ("option_outside", "options", "option 'count' lies outside of the configuration"),
    ("option_reserved", "options", "option 'bypass' has a name that belongs to the kernel"),
    ("option_twice", "options", "option 'count' stands in the table twice"),
    ("service_name", "provides", "'thing' is not of the form name/number"),
    ("service_vtable", "provides", "thing/1 has no vtable, or its vtable has no size"),
    ("need_form", "needs", "'thing one' is not of the form name/number, ?name/number or name/number*"),
    ("hook_phase", "hooks", "hook 1 is in the unknown phase 9"),
    ("hook_class", "hooks", "hook 1 is of the unknown class 5"),
    ("mount_both", "mounts", "/both must have either a hook or a handler"),
    ("mount_nothing", "mounts", "/nothing must have either a hook or a handler"),
    ("mount_prefix", "mounts", "the prefix 'nowhere' does not begin with '/'"),
    ("mount_kernel", "mounts", "/metrics belongs to the kernel"),
    ("mount_lane", "mounts", "/lane runs on the unknown lane 3"),
    ("event_queue", "events", "the queue of 'revoked' must hold 1 to 65536 events"),
    ("event_function", "events", "subscription 1 has no name or no function"),
    ("command_name", "commands", "'Join it' is not a name of lower-case letters, digits and '-'"),
    ("command_own", "commands", "'check' is a command of gatehouse itself"),
    ("command_function", "commands", "'join' has no function or no help"),
    ("command_twice", "commands", "'join' stands in the table twice"),
]


@pytest.mark.parametrize("plugin,phase,reason", WRONG_PLUGINS, ids=[row[0] for row in WRONG_PLUGINS])
def test_wrong_plugin(tmp_path, plugin_dir, plugin, phase, reason):
    code, out, err = check(tmp_path, plugin_dir, f"plugins:\n  - {plugin}\n")
    assert err == f"gatehouse: cannot start: m.yaml:2: plugin {plugin}: {phase}: {reason}\n"
    assert code == 78
    assert out == ""


def test_every_plugin_has_a_test(plugin_dir):
    """A plugin of this folder that no row names would test nothing."""
    text = pathlib.Path(__file__).read_text(encoding="utf-8")
    for lib in plugin_dir.glob("*.so"):
        assert f'"{lib.stem}"' in text or f" {lib.stem}" in text, lib.stem


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_file_writable_by_others(tmp_path, plugin_dir, mode):
    copy = tmp_path / "thing.so"
    shutil.copyfile(plugin_dir / "thing.so", copy)
    tmp_path.chmod(0o755)
    copy.chmod(mode)
    code, _, err = check(tmp_path, tmp_path, "plugins: [thing]")
    assert code == 78
    assert err.endswith(f"plugin thing: find: {PATH}/thing.so may be written by others\n")


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o1777])
def test_directory_writable_by_others(tmp_path, plugin_dir, mode):
    directory = tmp_path / "plugins"
    directory.mkdir()
    shutil.copyfile(plugin_dir / "thing.so", directory / "thing.so")
    (directory / "thing.so").chmod(0o644)
    directory.chmod(mode)
    code, _, err = check(tmp_path, directory, "plugins: [thing]")
    assert code == 78
    assert err.endswith(f"plugin thing: find: the directory of {PATH}/thing.so may be written by others\n")


def test_link_into_a_directory_writable_by_others(tmp_path, plugin_dir):
    """What counts is where the file really is."""
    directory, links = tmp_path / "plugins", tmp_path / "links"
    directory.mkdir()
    links.mkdir(mode=0o755)
    shutil.copyfile(plugin_dir / "thing.so", directory / "thing.so")
    (directory / "thing.so").chmod(0o644)
    directory.chmod(0o777)
    (links / "thing.so").symlink_to(directory / "thing.so")
    code, _, err = check(tmp_path, links, "plugins: [thing]")
    assert code == 78
    assert err.endswith(f"plugin thing: find: the directory of {PATH}/thing.so may be written by others\n")


def test_no_shared_object(tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "thing.so").mkdir()
    code, _, err = check(tmp_path, tmp_path, "plugins: [thing]")
    assert code == 78
    assert err.endswith(f"plugin thing: find: {PATH}/thing.so is not a regular file\n")
    (tmp_path / "thing.so").rmdir()
    (tmp_path / "thing.so").write_text("no ELF\n")
    (tmp_path / "thing.so").chmod(0o644)
    code, _, err = check(tmp_path, tmp_path, "plugins: [thing]")
    assert code == 78
    assert "plugin thing: load: " in err


# ---- Manifests -----------------------------------------------------------------------------------

LISTENER = "{ name: a, chain: gateway, engine: thing, port: 8080"

# Name, manifest, message behind "m.yaml:".
WRONG_MANIFESTS = [
    ("empty", "", "1: a manifest is a mapping with the keys node, listeners and plugins"),
    ("no_yaml", "plugins: [", "2: while parsing a flow node: did not find expected node content"),
    ("tab", "plugins:\n\t- thing", "2: while scanning for the next token: found character that cannot start any token"),
    ("no_utf8", b"plugins: [\xff]", "1: invalid leading UTF-8 octet"),
    ("duplicate_key", "plugins: [thing]\nplugins: [thing]", "2: the key 'plugins' is given twice"),
    ("two_documents", "plugins: [thing]\n---\nplugins: [thing]",
     "2: a second document begins; only one is allowed"),
    ("no_plugins", "node: { name: a }", "1: plugins: names no plugin"),
    ("empty_plugins", "node: { name: a }\nplugins: []", "2: plugins: names no plugin"),
    ("unknown_key", "plugin: [thing]",
     "1: plugin: unknown key; known are: node, log, access_log, pool, listeners, plugins"),
    ("unknown_node_key", "node: { nam: a }\nplugins: [thing]",
     "1: node: nam: unknown key; known are: name, workers, drain_ms, leave_ms, txn_arena_bytes"),
    ("missing_variable", "node: { name: ${GH_TEST_NOT_SET} }\nplugins: [thing]",
     "1: the environment variable GH_TEST_NOT_SET is not set and has no default"),
    ("wrong_type", "node: { workers: [1] }\nplugins: [thing]",
     "1: node: workers: must be a whole number, without quotes"),
    ("out_of_range", "node:\n  workers: 257\nplugins: [thing]", "2: node: workers: must be between 0 and 256"),
    ("bad_duration", "node: { drain_ms: soon }\nplugins: [thing]",
     "1: node: drain_ms: must be a duration such as 250ms, 30s, 5m, 2h or 7d"),
    ("bad_level", "log: { level: loud }\nplugins: [thing]",
     "1: log: level: must be one of: emerg, alert, crit, error, warning, notice, info, debug"),
    ("misplaced_options", "plugins:\n  - thing:\n    as: x",
     "2: plugins: an item is a plugin's name, alone or with its options indented below it"),
    ("bad_label", "plugins: [ thing: { as: 'a b' } ]",
     "1: as: a name has 1 to 64 letters, digits, '_', '-' and '.', and does not begin with '-' or '.'"),
    ("label_twice", "plugins:\n  - thing\n  - thing",
     "3: the label 'thing' is taken by line 2: give one of them another with 'as'"),
    ("provide_unknown", "plugins: [ thing: { provide: [thing/2] } ]",
     "1: thing: provide: plugin thing does not provide 'thing/2'"),
    ("provide_twice", "plugins: [ thing: { provide: [thing/1, thing/1] } ]",
     "1: thing: provide: 'thing/1' is given twice"),
    ("need_missing", "plugins: [ thing_user ]", "1: thing_user: needs thing/1, which no entry provides"),
    ("need_narrowed_away", "plugins: [ thing_user, thing: { provide: [another/1] } ]",
     "1: thing_user: needs thing/1, which no entry provides"),
    ("need_other_version", "plugins: [ thing_newer, thing ]",
     "1: thing_newer: needs thing/2, but 'thing' provides thing/1"),
    ("need_ambiguous", "plugins: [ thing, thing: { as: b }, thing_user ]",
     "1: thing_user: needs thing/1, which 'thing' and 'b' provide: choose with needs: { thing/1: LABEL }"),
    ("need_unknown_label", "plugins: [ thing, thing_user: { needs: { thing/1: b } } ]",
     "1: thing_user: needs: thing/1: no entry has the label 'b'"),
    ("need_wrong_label", "plugins: [ thing: { provide: [another/1] }, thing_user: { needs: { thing/1: thing } } ]",
     "1: thing_user: needs: thing/1: 'thing' does not provide it"),
    ("need_not_needed", "plugins: [ thing, thing_user: { needs: { another/1: thing } } ]",
     "1: thing_user: needs: plugin thing_user does not need 'another/1'"),
    ("need_of_itself", "plugins: [ self: { needs: { self/1: self } } ]",
     "1: self: needs: self/1: an entry cannot be its own provider"),
    ("cycle", "plugins:\n  - ring_a\n  - ring_b",
     "2: the needs form a cycle: ring_a -(b/1)-> ring_b -(a/1)-> ring_a"),
    ("equal_mounts", "plugins:\n  - mount_one\n  - mount_two", "3: 'mount_one' and 'mount_two' both mount /same"),
    ("engine_unknown", f"listeners: [ {LISTENER.replace('engine: thing', 'engine: http9')} }} ]\nplugins: [thing]",
     "1: listener 'a': engine: no entry has the label 'http9'"),
    ("engine_is_none", f"listeners: [ {LISTENER} }} ]\nplugins: [thing]",
     "1: listener 'a': engine: 'thing' does not provide engine/1"),
    ("listener_twice", f"listeners:\n  - {LISTENER} }}\n  - {LISTENER.replace('8080', '8081')} }}\nplugins: [thing]",
     "3: listener 'a': line 2 has one of that name"),
    ("port_twice", f"listeners:\n  - {LISTENER} }}\n  - {LISTENER.replace('name: a', 'name: b')} }}\nplugins: [thing]",
     "3: listener 'b': port 8080 is taken by 'a' in line 2"),
    ("port_range", f"listeners: [ {LISTENER.replace('8080', '65536')} }} ]\nplugins: [thing]",
     "1: listener: port: must be between 1 and 65535"),
    ("port_quoted", f"listeners: [ {LISTENER.replace('8080', repr('80'))} }} ]\nplugins: [thing]",
     "1: listener: port: must be a whole number, without quotes"),
    ("address", f"listeners: [ {LISTENER}, address: localhost }} ]\nplugins: [thing]",
     "1: listener 'a': address: must be a numeric IPv4 or IPv6 address"),
    ("key_without_certificate", f"listeners: [ {LISTENER}, tls: true, key_file: k }} ]\nplugins: [thing]",
     "1: listener 'a': certificate_file and key_file belong together"),
    ("option_unknown", "plugins: [ options: { text: a, colour: red } ]",
     "1: options: colour: unknown key; known are: enabled, count, wait, size, text, secret, color, list"),
    ("option_missing", "plugins:\n  - options: { count: 1 }",
     "2: options: text: missing, and it has no default"),
    ("option_missing_in_word", "plugins:\n  - options", "2: options: text: missing, and it has no default"),
    ("option_bool", "plugins: [ options: { text: a, enabled: yes } ]",
     "1: options: enabled: must be true or false, without quotes"),
    ("option_range", "plugins: [ options: { as: o, text: a, count: 10 } ]",
     "1: o: count: must be between 1 and 9"),
    ("option_choice", "plugins: [ options: { text: a, color: blue } ]",
     "1: options: color: must be one of: red, green"),
    ("option_length", "plugins: [ options: { text: aaaaaaaaa } ]",
     "1: options: text: must have a length in bytes between 0 and 8"),
    ("option_list", "plugins: [ options: { text: a, list: [1, 2, 3] } ]",
     "1: options: list: must have a number of items between 0 and 2"),
    ("option_for_none", "plugins: [ thing: { x: 1 } ]", "1: thing: x: unknown key; none is known here"),
]


@pytest.mark.parametrize("manifest,message", [row[1:] for row in WRONG_MANIFESTS],
                         ids=[row[0] for row in WRONG_MANIFESTS])
def test_wrong_manifest(tmp_path, plugin_dir, manifest, message):
    code, out, err = check(tmp_path, plugin_dir, manifest)
    assert err == f"gatehouse: cannot start: m.yaml:{message}\n"
    assert code == 78
    assert out == ""


def test_secret_is_not_printed(tmp_path, plugin_dir):
    code, _, err = check(tmp_path, plugin_dir, "plugins: [ options: { text: a, secret: ${GH_TEST_SECRET} } ]",
                         env={"GH_TEST_SECRET": "correct horse"})
    assert code == 78
    assert "secret: must have a length in bytes between 0 and 8" in err
    assert "horse" not in err


def test_manifest_missing(plugin_dir):
    code, _, err = gatehouse("check", "--manifest", "/nowhere/m.yaml", "--plugin-path", plugin_dir)
    assert code == 78
    assert err == "gatehouse: cannot start: /nowhere/m.yaml: cannot be read: No such file or directory\n"


def test_manifest_too_long(tmp_path, plugin_dir):
    code, _, err = check(tmp_path, plugin_dir, "# " + "x" * (1 << 20))
    assert code == 78
    assert "m.yaml:1: the text has 1048577 bytes, at most 1048576 are allowed" in err


# ---- What is right -------------------------------------------------------------------------------

def test_check_prints_what_would_run(tmp_path, plugin_dir):
    code, out, err = check(tmp_path, plugin_dir, """
node: { name: n1 }
plugins:
  - thing_user
  - mount_one
  - thing: { provide: [thing/1] }
  - self
  - open_fails
  - options: { text: "${GH_TEST_TEXT:-a, b}", dry_run: true }
  - teller
""")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "node n1",
        "plugins, in start order",
        "  mount_one        mount_one 1",
        "  thing            thing 1",
        "  thing_user       thing_user 1",
        "  self             self 1",
        "  open_fails       open_fails 1",
        "  options          options 1, dry run",
        "  teller           teller 1",
        "services",
        "  thing/1          thing for thing_user",
        "  self/1           self",
        "hooks, in the order in which they run",
        "mounts",
        "  management       /same                            mount_one, blocking on lane store",
        "commands",
        "  tell             teller: print what it was given",
        "listeners",
    ]


def test_schema(plugin_dir):
    code, out, _ = gatehouse("plugins", "--plugin-path", plugin_dir, "--schema", "options")
    assert code == 0
    assert '"maxLength": 8' in out


# ---- A node that cannot start --------------------------------------------------------------------

def run(tmp_path, plugin_path, manifest):
    path, state = tmp_path / "m.yaml", tmp_path / "state"
    path.write_text(manifest)
    code, out, err = gatehouse("run", "--manifest", path, "--state", state, "--plugin-path", plugin_path)
    return code, out, err.replace(str(path), "m.yaml")


@pytest.mark.parametrize("plugin,message", [
    ("open_fails", "cannot start: open_fails: open failed: input/output error"),
    ("start_fails", "cannot start: start_fails: start failed: invalid input"),
    ("no_symbol", "cannot start: m.yaml:1: plugin no_symbol: load: "),
    ("options", "cannot start: m.yaml:1: options: text: missing, and it has no default"),
])
def test_run_refused(tmp_path, plugin_dir, plugin, message):
    code, _, err = run(tmp_path, plugin_dir, f"plugins: [ {plugin} ]")
    assert code == 78
    assert message in err


def test_run_port_taken(tmp_path, plugin_dir):
    engine = BUILD / "plugins" / "http" / ".libs" / "http.so"
    if not engine.exists():
        pytest.skip("the plugin http was not built")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        shutil.copyfile(engine, plugin_dir / "http.so")
        (plugin_dir / "http.so").chmod(0o644)
        port = taken.getsockname()[1]
        code, _, err = run(tmp_path, plugin_dir, f"""
listeners: [ {{ name: a, chain: gateway, address: 127.0.0.1, port: {port} }} ]
plugins: [ http ]
""")
    assert code == 78
    assert f"{port}" in err and "in use" in err


# ---- Commands of plugins -------------------------------------------------------------------------

def command(tmp_path, plugin_dir, manifest, *arguments):
    """`gatehouse ARGUMENTS` with M, S and P for the manifest, the state and the plugin directory."""
    path, state = tmp_path / "m.yaml", tmp_path / "state"
    path.write_text(manifest)
    names = {"M": path, "S": state, "P": plugin_dir, "--manifest=M": f"--manifest={path}"}
    code, out, err = gatehouse(*(names.get(a, a) for a in arguments))
    return code, out.replace(str(state), "S").splitlines(), err.replace(str(path), "m.yaml")


GIVEN = ["--manifest", "M", "--state", "S", "--plugin-path", "P"]


@pytest.mark.parametrize("arguments,told", [
    (["tell", *GIVEN], ["tell"]),
    (["tell", "--url", "u", *GIVEN, "--token", "t"], ["tell", "--url", "u", "--token", "t"]),
    (["tell", "--manifest=M", "-x", *GIVEN[2:], "--manifesto=1"], ["tell", "-x", "--manifesto=1"]),
    (["tell", *GIVEN, "--", "--state", "x", "--"], ["tell", "--state", "x", "--"]),
    (["tell", *GIVEN, "--help", ""], ["tell", "--help", ""]),
])
def test_command(tmp_path, plugin_dir, arguments, told):
    code, out, err = command(tmp_path, plugin_dir, "plugins: [ thing, teller: { as: t, greeting: hi } ]", *arguments)
    assert err == ""
    assert out == ["hi", "S", *(f"[{word}]" for word in told)]
    assert code == len(told)  # it returns argc
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("manifest,name,expect,message", [
    ("plugins: [ thing ]", "tell", 64, "unknown command 'tell': no entry of m.yaml has it; see gatehouse --help"),
    ("plugins: [ teller ]", "Tell", 64, "unknown command 'Tell': no entry of m.yaml has it; see gatehouse --help"),
    ("plugins: [ teller, teller: { as: b } ]", "tell", 64, "m.yaml: 'teller' and 'b' both have the command 'tell'"),
    ("plugins: [ teller, thing_user ]", "tell", 78,
     "cannot tell: m.yaml:1: thing_user: needs thing/1, which no entry provides"),
    ("plugins: [ teller: { greet: x } ]", "tell", 78,
     "cannot tell: m.yaml:1: teller: greet: unknown key; known are: greeting"),
    ("plugins: [ teller", "tell", 78, "cannot tell: m.yaml:2: while parsing a flow sequence"),
])
def test_command_refused(tmp_path, plugin_dir, manifest, name, expect, message):
    code, out, err = command(tmp_path, plugin_dir, manifest, name, *GIVEN)
    assert err.startswith(f"gatehouse: {message}")
    assert (code, out) == (expect, [])
    assert not (tmp_path / "state").exists()


def test_command_without_state_dir(tmp_path, plugin_dir):
    (tmp_path / "state").write_text("a file\n")
    code, out, err = command(tmp_path, plugin_dir, "plugins: [ teller ]", "tell", *GIVEN)
    assert (code, out) == (78, [])
    assert "cannot tell: state directory" in err and "not a directory" in err


# ---- Command lines -------------------------------------------------------------------------------

WRONG_COMMANDS = [
    ([], "usage: gatehouse run"),
    (["tell", "--manifest"], "gatehouse: a value is missing behind '--manifest'; see gatehouse --help"),
    (["tell", "--state="], "gatehouse: an empty value for the option 'state'; see gatehouse --help"),
    (["serve"], "gatehouse: unknown command 'serve'; see gatehouse --help"),
    (["run", "--manifst", "x"], "gatehouse: unknown option '--manifst'; see gatehouse --help"),
    (["run", "-x"], "gatehouse: unknown option '-x'; see gatehouse --help"),
    (["run", "--manifest"], "gatehouse: a value is missing behind '--manifest'; see gatehouse --help"),
    (["run", "--state="], "gatehouse: an empty value for the option 'state'; see gatehouse --help"),
    (["run", "now"], "gatehouse: unexpected argument 'now'; see gatehouse --help"),
    (["version", "--state", "x"], "gatehouse: the command 'version' does not take --state; see gatehouse --help"),
    (["backup"], "gatehouse: backup and restore are not available in this version"),
    (["restore", "--state", "x"], "gatehouse: backup and restore are not available in this version"),
]


@pytest.mark.parametrize("arguments,message", WRONG_COMMANDS)
def test_wrong_command(arguments, message):
    code, out, err = gatehouse(*arguments)
    assert code == 64
    assert err.startswith(message)
    assert out == ""


@pytest.mark.parametrize("arguments,text", [
    (["--help"], "usage: gatehouse run"), (["check", "--help"], "usage: gatehouse run"),
    (["version"], "gatehouse "), (["version", "--build"], "left out: "),
])
def test_right_command(arguments, text):
    code, out, err = gatehouse(*arguments)
    assert (code, err) == (0, "")
    assert text in out
