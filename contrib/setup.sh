# What contrib/check and contrib/quickstart share: finding and installing what
# they need. Sourced, not run.

say() { printf '\n==> %s\n' "$*"; }
fail() { printf '\n%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# Debian's names. To build Postern:
build_packages='gcc make libc6-dev autoconf automake pkg-config libssl-dev libsodium-dev
	libjwt-dev libjansson-dev libidn-dev
	libsqlite3-dev libpam0g-dev libseccomp-dev libcrypt-dev openssl ca-certificates'
# To look at the result with real clients, and to run every test:
client_packages='curl'
test_packages='libcriterion-dev python3 curl fetchmail mpop getmail6 mutt
	gsasl sqlite3 iproute2 procps passwd login binutils strace mandoc clang clang-tidy clang-format
	libclang-rt-dev file'

installed() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

# install_packages NAME...: installs those that are missing.
install_packages() {
	command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || {
		printf 'This is no Debian: see that you have the like of\n  %s\n' "$(echo $*)"
		return 0
	}
	missing=
	for package in "$@"; do
		installed "$package" || missing="$missing $package"
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
