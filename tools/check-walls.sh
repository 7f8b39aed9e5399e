#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Checks the rules of the house that a machine can check: who includes whom, how big things may be, which
# functions are banned, licence lines, left-over notes.  Prints each offender; exits 1 when there is one.
#
# usage: check-walls.sh [SOURCE-DIR]
set -eu
cd "${1:-$(dirname "$0")/..}"

find kernel sdk lib plugins policies store tests tools -name '*.[ch]' | LC_ALL=C sort | LC_ALL=C xargs awk '
BEGIN {
	# Code lines: of .c files, without empty lines and comments.  Headers are contracts, not code.
	MAX_KERNEL = 6000; MAX_LOADER = 800; MAX_FILE = 1000; MAX_FUNCTION = 80

	# What libc and the system offer to everybody.
	split("assert ctype dirent dlfcn endian errno fcntl fnmatch getopt glob inttypes iconv limits locale " \
		"math netdb poll pthread pwd grp regex sched search semaphore signal stdalign stdarg " \
		"stdatomic stdbool stddef stdint stdio stdlib string strings syslog termios threads time uchar " \
		"unistd wchar arpa/inet net/if", names, " ")
	for (i in names)
		is_system[names[i] ".h"] = 1

	# Each library has its place: folders that may include its header.
	home["microhttpd.h"] = "plugins/http"
	home["leveldb/c.h"] = "store/leveldb"
	home["libpq-fe.h"] = "store/postgres"
	home["mysql.h"] = "store/mariadb"
	home["ldap.h"] = "plugins/ldap"
	home["hiredis.h"] = "plugins/redis"
	home["curl/curl.h"] = "lib/fetch"
	home["argon2.h"] = "plugins/keymanager"
	home["ares.h"] = "plugins/gateway"
	home["msgpack.h"] = "lib/doc"
	home["xxhash.h"] = "lib/hash"
	home["yaml.h"] = "lib/yaml"
	home["gnutls"] = "lib/crypto lib/jose lib/pki plugins/http plugins/gateway" # The last two speak TLS.
	home["zip.h"] = "lib/zip"
	home["jansson.h"] = "lib/json lib/doc lib/jose lib/options lib/rest lib/yaml plugins"
	home["uv.h"] = "kernel plugins"
	home["CUnit"] = "tests"
}

function offend(what) {
	print FILENAME ":" FNR ": " what
	offences++
}

# The line without comments; literals become "".
function strip(line,    out, token) {
	out = ""
	while (line != "") {
		if (in_comment) {
			i = index(line, "*/")
			if (i == 0)
				return out
			line = substr(line, i + 2)
			in_comment = 0
		} else if (!match(line, /["\047]|\/\*|\/\//)) {
			return out line
		} else {
			token = substr(line, RSTART, RLENGTH)
			out = out substr(line, 1, RSTART - 1)
			line = substr(line, RSTART)
			if (token == "//")
				return out
			if (token == "/*") {
				in_comment = 1
				line = substr(line, 3)
			} else if (match(line, /^"([^"\\]|\\.)*"/) || match(line, /^\047([^\047\\]|\\.)*\047/)) {
				out = out "\"\""
				line = substr(line, RLENGTH + 1)
			} else {
				out = out token
				line = substr(line, 2)
			}
		}
	}
	return out
}

# Is the folder of this file one of those?
function stands_in(folders,    list, n, k) {
	n = split(folders, list, " ")
	for (k = 1; k <= n; k++)
		if (index(FILENAME, list[k] "/") == 1)
			return 1
	return 0
}

function check_quoted(header) {
	if (folder == "sdk/include" || folder == "sdk/template" || top == "policies")
		return offend("includes \"" header "\", but may include <gatehouse/...> and libc only")
	if (index(header, "lib/") == 1 || top == "tests" || index(header, folder "/") == 1 || header == "config.h")
		return 0
	if (folder == "sdk/testkit" && index(header, "kernel/") == 1) # It is the kernel, without sockets.
		return 0
	if (top == "store" && index(header, "store/common/") == 1)
		return 0
	offend("includes \"" header "\" through a wall")
}

function check_library(header,    key) {
	key = header
	if (!(key in home))
		sub(/\/.*/, "", key)
	if (!(key in home))
		return offend("includes <" header ">, which no rule knows: add it to the table in tools/check-walls.sh")
	if (top == "policies" || top == "sdk")
		return offend("includes <" header ">, but may include <gatehouse/...> and libc only")
	if (top != "tests" && !stands_in(home[key]))
		offend("includes <" header ">, whose place is " home[key])
	# Values to and from JSON is what these are for; else one library per folder.
	if (top != "lib" || (key == "jansson.h" && folder ~ /^lib\/(doc|jose|rest|yaml)$/))
		return 0
	if (library[folder] == "")
		library[folder] = key
	if (library[folder] != key)
		offend(folder " uses a second library, <" header ">, besides <" library[folder] ">")
}

function check_include(header) {
	if (index(header, "gatehouse/") == 1 || header in is_system || header ~ /^(sys|netinet|linux)\//)
		return 0
	check_library(header)
}

FNR == 1 {
	finish()
	in_comment = 0
	code = 0
	in_function = 0
	n = split(FILENAME, part, "/")
	top = part[1]
	folder = n > 2 ? part[1] "/" part[2] : part[1] # "kernel" has no folders in it.
	file = FILENAME
	if ($0 !~ /^\/\* SPDX-License-Identifier: Apache-2\.0 \*\/$/)
		offend("the first line is not /* SPDX-License-Identifier: Apache-2.0 */")
}

function finish() {
	if (file == "")
		return
	if (file ~ /\.c$/ && code > MAX_FILE)
		size_offence(file " has " code " code lines, at most " MAX_FILE " are allowed")
	if (file == "kernel/loader.c" && code > MAX_LOADER)
		size_offence(file " has " code " code lines, at most " MAX_LOADER " are allowed")
	if (file ~ /^kernel\/.*\.c$/)
		kernel += code
}

function size_offence(what) {
	print what
	offences++
}

!in_comment && /^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, q, "\"")
	check_quoted(q[2])
}
!in_comment && /^[ \t]*#[ \t]*include[ \t]*</ {
	split($0, q, /[<>]/)
	check_include(q[2])
}
/(TODO|FIXME)([^A-Za-z]|$)/ { offend("a note to oneself") }

{
	line = strip($0)
	if (line !~ /[^ \t]/)
		next
	code++
	if (line ~ /(^|[^A-Za-z0-9_.>])(strcpy|strcat|sprintf|vsprintf|strtok|gets|alloca|atoi|atol|system|popen|rand)[ \t]*\(/)
		offend("calls a banned function: " line)
	if (line ~ /^\{/) {
		in_function = 1
		began = FNR
		lines = 0
	} else if (in_function && line ~ /^\}/) {
		if (lines > MAX_FUNCTION) {
			print FILENAME ":" began ": a function has " lines " code lines, at most " MAX_FUNCTION " are allowed"
			offences++
		}
		in_function = 0
	} else {
		lines++
	}
}

END {
	finish()
	if (kernel > MAX_KERNEL)
		size_offence("kernel/ has " kernel " code lines, at most " MAX_KERNEL " are allowed")
	print "kernel: " kernel " code lines; " (offences > 0 ? offences " offences" : "no wall is broken")
	exit offences > 0
}'

# Scripts: the licence within their first lines.
status=0
for script in $(find kernel sdk lib plugins policies store tests tools deploy -name '*.sh' -o -name '*.py'); do
	if [ -s "$script" ] && ! head -n 3 "$script" | grep -q 'SPDX-License-Identifier: Apache-2.0'; then
		echo "$script:1: no SPDX-License-Identifier: Apache-2.0 in the first three lines"
		status=1
	fi
done
exit $status
