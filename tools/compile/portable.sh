#!/bin/sh
# optimizelyd-maildir @version@ for @target@, portable form.
#
# This file is three in one: this script; the program, @program_size@ bytes of JavaScript; and the npm package
# @package@ as the registry serves it, which holds Deno. The first start unpacks the latter two
# into the user's cache directory; each start then becomes the program, as the same process.
{
set -fu
PATH=/usr/bin:/bin:/usr/sbin:/sbin # nothing but the system's own tools, whatever PATH was
export PATH

# The environment first: what isn't named here is dropped, so that no variable changes what Deno does or may do.
for variable in $(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p'); do
  case $variable in
  OPTIMIZELYD_BASE_DIR) ;;
  HOME | XDG_CACHE_HOME | TMPDIR | PATH) ;; # needed below
  [Hh][Tt][Tt][Pp]_[Pp][Rr][Oo][Xx][Yy] | [Hh][Tt][Tt][Pp][Ss]_[Pp][Rr][Oo][Xx][Yy]) ;; # how this machine gets out
  [Aa][Ll][Ll]_[Pp][Rr][Oo][Xx][Yy] | [Nn][Oo]_[Pp][Rr][Oo][Xx][Yy]) ;;
  DENO_CERT | DENO_TLS_CA_STORE | SSL_CERT_FILE | SSL_CERT_DIR) ;; # whom this machine trusts
  TZ | LANG | LC_* | TERM | NO_COLOR | LD_* | DYLD_*) ;; # the system's own
  *) command unset "$variable" 2> /dev/null ;; # a shell's read-only variable stays
  esac
done

fail() { # fail CODE REASON
  printf 'optimizelyd-maildir: %s\n' "$2" >&2
  exit "$1"
}

# Where to unpack. Another user must not be able to put anything there: root would run it.

is_ours_alone() { # is_ours_alone DIR
  [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ] &&
    [ -n "$(find "$1" -prune ! -perm -020 ! -perm -002 2> /dev/null)" ]
}

keeps_names() { # keeps_names DIR: nobody but root can replace what this user makes in it
  [ -n "$(find -H "$1" -prune \( -perm -1000 -o ! -perm -002 \) 2> /dev/null)" ] &&
    { [ -O "$1" ] || [ -n "$(find -H "$1" -prune -user 0 2> /dev/null)" ]; }
}

open_cache() { # open_cache PARENT NAME: sets cache, or reason
  cache=$1/$2
  if [ ! -d "$cache" ]; then
    reason=$(umask 077 && LC_ALL=C mkdir -p "$cache" 2>&1) || [ -d "$cache" ] || return 1
  fi
  reason="somebody else could change what is in $1"
  keeps_names "$1" || return 1
  reason="$cache is not a directory that only this user can write to"
  is_ours_alone "$cache"
}

case ${XDG_CACHE_HOME:-} in
/*)
  open_cache "$XDG_CACHE_HOME" optimizelyd-maildir ||
    fail 73 "cannot unpack below XDG_CACHE_HOME: $reason"
  ;;
*)
  case ${HOME:-} in /*) [ -O "$HOME" ] && home=$HOME/@user_cache@ ;; esac
  case ${TMPDIR:-} in /*) ;; *) TMPDIR=/tmp ;; esac
  { [ -n "${home:-}" ] && open_cache "$home" optimizelyd-maildir; } ||
    open_cache "$TMPDIR" "optimizelyd-maildir-$(id -u)" ||
    fail 73 "cannot unpack, set XDG_CACHE_HOME to a directory of yours: $reason"
  ;;
esac

# Unpacking. A file's name holds its checksum, so another version is another file and two that race write the same.

deno=$cache/deno-@deno_hash@
program=$cache/program-@program_hash@.mjs

is_there() { # is_there FILE SIZE: owner and size will do, the content was checked before it got its name
  [ -O "$1" ] && [ -n "$(find "$1" -prune -type f -size "$2"c 2> /dev/null)" ]
}

are_there() {
  is_there "$deno" @deno_size@ && is_there "$program" @program_size@
}

sha256() {
  if command -v sha256sum > /dev/null; then sha256sum; else shasum -a 256; fi | cut -c 1-64
}

put() { # put CHECKSUM FILE: standard input becomes FILE, if it has that checksum
  cat > "$temporary/new" || exit
  if [ "$(sha256 < "$temporary/new")" != "$1" ]; then
    echo "the checksum of ${2##*/} is wrong: is $0 damaged?" >&2
    exit 1
  fi
  chmod 500 "$temporary/new" && mv -f "$temporary/new" "$2" || exit
}

unpack() (
  umask 077
  find "$cache" -name '.unpack.*' -prune -mtime +0 -exec rm -rf {} + # left by one that was killed
  temporary=$(mktemp -d "$cache/.unpack.XXXXXX") || exit
  trap 'rm -rf "$temporary"' EXIT
  trap 'exit 75' HUP INT TERM
  if ! is_there "$program" @program_size@; then
    tail -c @payload_size@ < "$0" | head -c @program_size@ | put @program_hash@ "$program" || exit
  fi
  if ! is_there "$deno" @deno_size@; then
    tail -c @package_size@ < "$0" | gzip -dc | tar -xOf - @member@ | put @deno_hash@ "$deno" || exit
  fi
  case $("$deno" --version 2> /dev/null) in
  "deno "*) ;;
  *)
    rm -f "$deno"
    echo "this machine does not run programs from there: mounted noexec, or not @target@?" >&2
    exit 1
    ;;
  esac
)

if ! are_there; then
  size=$(($(wc -c < "$0")))
  [ "$size" = @total_size@ ] || fail 74 "$0 is damaged: it has $size bytes instead of @total_size@"
  if ! reason=$(LC_ALL=C unpack 2>&1) || ! are_there; then
    fail 73 "cannot unpack into $cache: $(printf %s "$reason" | head -n 1)"
  fi
fi

# Becoming the program. Deno finds no configuration, cache or credentials but its own empty ones.

HOME=$cache/state
DENO_DIR=$cache/state
DENO_NO_UPDATE_CHECK=1
DENO_NO_PACKAGE_JSON=1
export HOME DENO_DIR DENO_NO_UPDATE_CHECK DENO_NO_PACKAGE_JSON
exec "$deno" run @flags@ "$program" "$@"
}
exit
