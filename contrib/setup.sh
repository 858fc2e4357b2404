# What contrib/check and contrib/quickstart share: finding and installing what
# they need. Sourced, not run.

say() { printf '\n==> %s\n' "$*"; }
fail() { printf '\n%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# Debian's names. To build Postern:
build_packages='gcc make libc6-dev autoconf automake pkg-config libssl-dev libsodium-dev
	libjansson-dev libidn-dev
	libsqlite3-dev libpam0g-dev libseccomp-dev libcrypt-dev openssl ca-certificates'
# To look at the result with real clients, and to run every test:
client_packages='curl'
test_packages='libcriterion-dev spin python3 curl fetchmail mpop getmail6 mutt neomutt
	gsasl sqlite3 iproute2 procps passwd login binutils strace mandoc clang clang-tidy clang-format
	libclang-rt-dev file postfix alpine s-nail procmail maildrop'

installed() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

# Of the MTA only the programs are wanted: not configured, so not started, and never in
# place of another one, which Debian would remove.
wanted_mta() {
	dpkg-query -W -f '${db:Status-Status} ${Provides}\n' | grep -q '^installed .*mail-transport-agent' && {
		echo "another mail transfer agent stays; its tests with $1 are skipped"
		return 1
	}
	echo "$1 $1/main_mailer_type select No configuration" | debconf-set-selections 2>/dev/null
	return 0
}

# install_packages NAME...: installs those that are missing.
install_packages() {
	command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || {
		printf 'This is no Debian: see that you have the like of\n  %s\n' "$(echo $*)"
		return 0
	}
	missing=
	for package in "$@"; do
		installed "$package" && continue
		[ "$package" != postfix ] || wanted_mta "$package" || continue
		missing="$missing $package"
	done
	[ -n "$missing" ] || { echo "every package that is needed is installed"; return 0; }
	echo "missing:$missing"
	[ "$(id -u)" = 0 ] || fail "not root, so install them first:
  sudo apt-get install$missing"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq || fail "apt-get update failed: is a Debian mirror in /etc/apt/sources.list and reachable?"
	apt-get install -y -qq --no-install-recommends $missing ||
		fail "apt-get could not install$missing; its message is above"
}

# A configure script newer than its sources.
make_configure() {
	if [ ! -x configure ] || [ -n "$(find configure.ac Makefile.am doc/doc.am tests/tests.am -newer configure)" ]; then
		autoreconf -fi >autoreconf.log 2>&1 || { cat autoreconf.log; fail "autoreconf failed"; }
	fi
}
