#!/bin/sh
# Gets what the end-to-end tests need: Debian packages (installed as root when missing), and
# postfix, the Python test suite and an npm package (unpacked below build/tools, never installed).
# Quick when all is there; safe to run several at once.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
tools=${LM_E2E_TOOLS:-$here/../../build/tools}
mkdir -p "$tools"
tools=$(cd "$tools" && pwd)
exec 9>"$tools/.lock"
flock 9

missing() {
	sed 's/#.*//' "$here/packages" | while read -r name; do
		[ -n "$name" ] || continue
		# node may come from elsewhere than Debian, with its headers.
		case $name in
		nodejs) ! command -v node >/dev/null || continue ;;
		libnode-dev) [ ! -f /usr/include/node/node_api.h ] || continue ;;
		esac
		state=$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null) || state=none
		[ "$state" = installed ] || printf '%s ' "$name"
	done
}

updated=
update() {
	[ -n "$updated" ] || apt-get -qq update
	updated=yes
}

want=$(missing)
if [ -n "$want" ]; then
	if [ "$(id -u)" != 0 ]; then
		echo "missing packages; as root: apt-get install --no-install-recommends $want" >&2
		exit 1
	fi
	update
	echo "installing $want" >&2
	# shellcheck disable=SC2086
	DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=600 install \
		--no-install-recommends $want >"$tools/install.log" 2>&1 || {
		cat "$tools/install.log" >&2
		exit 1
	}
fi

# unpack PACKAGE FILE: get a Debian package into $tools/PACKAGE, complete or not at all.
unpack() {
	[ -e "$tools/$1/$2" ] && return
	rm -rf "$tools/.$1"
	mkdir "$tools/.$1"
	(cd "$tools/.$1" && { apt-get -qq download "$1" 2>/dev/null ||
		{ [ "$(id -u)" = 0 ] && update && apt-get -qq download "$1"; }; })
	dpkg -x "$tools/.$1/$1"_*.deb "$tools/.$1"
	rm -rf "${tools:?}/$1" "$tools/.$1"/*.deb
	mv "$tools/.$1" "$tools/$1"
	[ -e "$tools/$1/$2" ]
}

# judge NAME PACKAGE…: servers our clients are tried against, each with its own packages in a folder
# of its own (they exclude each other), which is laid over /usr for the server alone.
judge() {
	name=$1
	shift
	folder=$tools/judges/$name
	[ -e "$folder/.complete" ] && [ "$(cat "$folder/.complete")" = "$*" ] && return
	rm -rf "$folder"
	mkdir -p "$folder"
	# shellcheck disable=SC2086,SC2048
	(cd "$folder" && { apt-get -qq download $* 2>/dev/null ||
		{ [ "$(id -u)" = 0 ] && update && apt-get -qq download $*; }; })
	for deb in "$folder"/*.deb; do
		dpkg -x "$deb" "$folder"
		rm "$deb"
	done
	# /lib is a link to /usr/lib where this is laid over.
	if [ -d "$folder/lib" ]; then
		cp -a "$folder/lib/." "$folder/usr/lib/"
		rm -rf "${folder:?}/lib"
	fi
	echo "$*" >"$folder/.complete"
}

judge dovecot dovecot-core dovecot-pop3d dovecot-lmtpd
judge courier courier-pop courier-base courier-authlib courier-authlib-userdb
judge popa3d popa3d
judge mailutils mailutils-pop3d mailutils-common
judge opensmtpd opensmtpd
judge exim exim4-daemon-light exim4-base
judge aiosmtpd python3-aiosmtpd python3-public python3-attr python3-typing-extensions \
	python3-pkg-resources
# A node with the system's OpenSSL and libuv: what the address sanitizer needs, and the oldest that
# the addon is for.
if [ "$(node -p process.config.variables.node_shared_openssl)" != true ]; then
	judge node18 'nodejs=18.*' libnode108 libc-ares2 libnghttp2-14 libicu72 node-acorn \
		node-cjs-module-lexer node-undici node-busboy
fi
judge libs libapparmor1 libcourier-unicode4 libdb5.3 libevent-2.1-7 libexttextcat-2.0-0 \
	libexttextcat-data libgamin0 libgdbm6 libgnutls-dane0 libgnutls30 libgsasl18 libicu72 \
	libidn12 libidn2-0 libkyotocabinet16v5 libldap-2.5-0 libltdl7 liblua5.4-0 liblzo2-2 \
	libmailutils9 libmariadb3 libmu-dbm9 libnsl2 libntlm0 libpam0g libpcre3 libpq5 libsasl2-2 \
	libsodium23 libstemmer0d libtirpc-common libtirpc3 libunbound8 libunistring2 libunwind8 \
	libwrap0 libhogweed6 libnettle8 libp11-kit0 libtasn1-6 libgmp10 libgssapi-krb5-2 libkrb5-3 \
	libk5crypto3 libkrb5support0 libkeyutils1 libcom-err2 libsasl2-modules-db

unpack postfix usr/sbin/smtp-source
unpack libpython3.11-testsuite usr/lib/python3.11/test/test_email/data

# npm_folder NAME PACKAGE…: packages in a folder of their own below build/tools.
npm_folder() {
	folder=$tools/$1
	shift
	[ "$(cat "$folder/.complete" 2>/dev/null)" != "$*" ] || return 0
	rm -rf "$folder"
	mkdir "$folder"
	npm install --silent --no-audit --no-fund --no-save --prefix "$folder" "$@" >&2
	echo "$*" >"$folder/.complete"
}

if command -v npm >/dev/null; then
	# Debian has no node-pop3, and its npm comes with 400 packages: too much for one test. Of
	# typescript 5 is the last that programs can ask.
	npm_folder node node-pop3 typescript@5.9
	# What lettermill.d.ts stands on.
	npm_folder types @types/node@20
	# smtp-server with its public tests, and what those ask for.
	npm_folder smtp-server smtp-server@3.11.0 mocha@9.2.2 chai@4.3.6 pem@1.14.6 nodemailer@6.7.3
else
	echo "no npm: node-pop3, the declarations of types and the tests of smtp-server are left out" >&2
fi
