#!/bin/sh
# optimizelyd-maildir @version@ for @target@, portable form.
#
# This file is three in one: this script; the program, @program_size@ bytes of JavaScript; and the
# npm package @package@ as it is on the registry, which holds Deno.
# The first start unpacks the latter two into the user's cache directory; each start then becomes
# the program, as the same process.
{
set -fu
PATH=/usr/bin:/bin:/usr/sbin:/sbin # nothing but the system's own tools, whatever PATH was
export PATH
trap '' USR1 # Deno would open its inspector

# The environment first: what isn't named here is dropped, so that no variable changes what Deno
# does or may do. Values are bytes, so sed must not look at them as text of some language. One that
# isn't UTF-8 is dropped whatever its name.

is_utf8() { # is_utf8 TEXT
  case $1 in *[!0-9A-Za-z:/._,@%=+-]*) ;; *) return 0 ;; esac
  printf %s "$1" | od -An -v -tx1 | tr -d ' \n' | LC_ALL=C grep -Eqx '([0-7].|(c[2-9a-f]|d.)[89ab].|e0[ab].[89ab].|e[1-9abcef][89ab].[89ab].|ed[89].[89ab].|f0[9ab].[89ab].[89ab].|f[1-3][89ab].[89ab].[89ab].|f48.[89ab].[89ab].)*'
}

for variable in $(env | LC_ALL=C sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p'); do
  case $variable in
  OPTIMIZELYD_BASE_DIR | OPTIMIZELYD_CONFIG | CREDENTIALS_DIRECTORY) ;;
  HOME | XDG_CACHE_HOME | TMPDIR | PATH) ;; # needed below
  [Hh][Tt][Tt][Pp]_[Pp][Rr][Oo][Xx][Yy] | [Hh][Tt][Tt][Pp][Ss]_[Pp][Rr][Oo][Xx][Yy]) ;; # how this machine gets out
  [Aa][Ll][Ll]_[Pp][Rr][Oo][Xx][Yy] | [Nn][Oo]_[Pp][Rr][Oo][Xx][Yy]) ;;
  DENO_CERT | DENO_TLS_CA_STORE | SSL_CERT_FILE | SSL_CERT_DIR) ;; # whom this machine trusts
  TZ | LANG | LC_* | TERM | NO_COLOR | LD_* | DYLD_*) ;; # the system's own
  *)
    command unset "$variable" 2> /dev/null # a shell's read-only variable stays
    continue
    ;;
  esac
  eval "is_utf8 \"\${$variable-}\"" || command unset "$variable"
done

fail() { # fail CODE REASON
  printf 'optimizelyd-maildir: %s\n' "$2" >&2
  exit "$1"
}

# Where to unpack. Another user must not be able to put anything there: root would run it.

name=optimizelyd-maildir
# The program closes the inspector that Deno opens on SIGUSR1; where env can hold the signal back,
# none is opened at all.
hold='env --block-signal=USR1'
user=$($hold id -u 2> /dev/null) || { hold= && user=$(id -u); }

# is_kept DIR, a path without symlinks: only root and this user can put something else there; if not,
# sets unsafe
is_kept() {
  unsafe=$1
  way=${1%/}
  set -- /
  while [ -n "$way" ]; do
    set -- "$@" "$way"
    way=${way%/*}
  done
  # it and each directory above it is theirs, and written to by nobody else or sticky
  unsafe=$(find "$@" -prune \( ! -type d -o ! -user 0 ! -user "$user" -o \( -perm -020 -o -perm -002 \) ! -perm -1000 \) -print 2> /dev/null) &&
    [ -z "$unsafe" ]
}

open_parent() { # open_parent DIR: makes it and sets parent, its path without symlinks; or reason
  there=$1
  while [ ! -d "${there:-/}" ]; do there=${there%/*}; done
  parent=$(cd -P "${there:-/}" 2> /dev/null && pwd -P)
  if is_kept "${parent:-$there}"; then
    parent=${parent%/}${1#"$there"}
    [ -d "${parent:-/}" ] && return
    reason=$(umask 077 && LC_ALL=C mkdir -p "$parent" 2>&1) || return
    is_kept "$parent" && return # below a sticky directory somebody else may have been faster
  fi
  reason="somebody else could change what is in $(printf %s "${unsafe:-$there}" | head -n 1)"
  return 1
}

# take CACHE: opens it and sets opened, its path from here on; if it is this user's and nobody else
# may write to it
take() {
  [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ] && command exec 9< "$1" || return
  opened=/proc/self/fd/9 # what is open, not what the path leads to
  [ -d "$opened/." ] || opened=$1 # this system can't say so
  [ -n "$(find "$opened/." -prune -type d -user "$user" ! -perm -020 ! -perm -002 2> /dev/null)" ]
}

open_cache() { # open_cache PARENT NAME: sets opened, or reason
  open_parent "$1" || return
  cache=$parent/$2
  [ -d "$cache" ] || reason=$(umask 077 && LC_ALL=C mkdir "$cache" 2>&1) || [ -d "$cache" ] || return
  reason="$cache is not a directory that only this user can write to"
  take "$cache"
}

open_temporary() { # open_temporary PARENT: the same where somebody else may have taken the name
  open_parent "$1" || return
  open_cache "$1" "$name-$user" && return
  cache=$(find "$parent/." ! -name . -prune -name "$name-$user.*" -type d -user "$user" ! -perm -020 ! -perm -002 2> /dev/null | head -n 1)
  [ -n "$cache" ] || cache=$(mktemp -d "$parent/$name-$user.XXXXXX" 2> /dev/null) && take "$cache"
}

case ${XDG_CACHE_HOME:-} in
/*) open_cache "$XDG_CACHE_HOME" "$name" || fail 73 "cannot unpack below XDG_CACHE_HOME: $reason" ;;
*)
  case ${HOME:-} in /*) [ -O "$HOME" ] && home=$HOME/@user_cache@ ;; esac
  case ${TMPDIR:-} in /*) ;; *) TMPDIR=/tmp ;; esac
  { [ -n "${home:-}" ] && open_cache "$home" "$name"; } || open_temporary "$TMPDIR" ||
    fail 73 "cannot unpack, set XDG_CACHE_HOME to a directory of yours: $reason"
  ;;
esac

# Unpacking. A file's name holds its checksum, so another version is another file, and two that
# race write the same.

deno=$opened/deno-@deno_hash@
program=$opened/program-@program_hash@.mjs

# is_there FILE SIZE: owner and size will do, the content was checked before it got its name
is_there() {
  [ -n "$(find "$1" -prune -type f -user "$user" -size "$2"c 2> /dev/null)" ]
}

are_there() { # the same for both, at once
  [ "$(find "$deno" "$program" -prune -type f -user "$user" \( -size @deno_size@c -o -size @program_size@c \) 2> /dev/null)" = "$deno
$program" ]
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
  find "$opened/." -name '.unpack.*' -prune -mtime +0 -exec rm -rf {} + # left by one that was killed
  temporary=$(mktemp -d "$opened/.unpack.XXXXXX") || exit
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

HOME=$opened/state
DENO_DIR=$opened/state
DENO_NO_UPDATE_CHECK=1
DENO_NO_PACKAGE_JSON=1
export HOME DENO_DIR DENO_NO_UPDATE_CHECK DENO_NO_PACKAGE_JSON
exec $hold "$deno" run @flags@ "$program" "$@"
}
exit
