#!/bin/sh
# Install an executable of optimizelyd-maildir, if it is the one that SHA256SUMS names.
#
#   ./install.sh [--prefix DIR] FILE
#
# FILE is what `deno task compile` made; SHA256SUMS must lie beside it. It becomes DIR/bin/optimizelyd-maildir
# (default: /usr/local/bin), by a rename: the one it replaces may be running.
set -eu

fail() {
  printf 'install.sh: %s\n' "$2" >&2
  exit "$1"
}

prefix=/usr/local
file=
while [ $# -gt 0 ]; do
  case $1 in
  --prefix)
    [ -n "${2:-}" ] || fail 64 "--prefix needs a directory"
    prefix=$2
    shift
    ;;
  -*) fail 64 "unknown option: $1" ;;
  *)
    [ -z "$file" ] || fail 64 "one FILE at a time"
    file=$1
    ;;
  esac
  shift
done
[ -n "$file" ] || fail 64 "usage: install.sh [--prefix DIR] FILE"
[ -f "$file" ] || fail 66 "$file is not a file"

name=${file##*/}
case $file in
*/*) sums=${file%/*}/SHA256SUMS ;;
*) sums=SHA256SUMS ;;
esac
[ -f "$sums" ] || fail 66 "there is no $sums"

sha256() {
  if command -v sha256sum > /dev/null; then sha256sum; else shasum -a 256; fi | cut -c 1-64
}

wanted=
while read -r sum listed; do
  if [ "$listed" = "$name" ]; then wanted=$sum; fi
done < "$sums"
[ -n "$wanted" ] || fail 65 "$sums does not list $name"

# The copy is what is checked and what is installed: the original could change in between.
mkdir -p "$prefix/bin"
copy=$(mktemp "$prefix/bin/.optimizelyd-maildir.XXXXXX")
trap 'rm -f "$copy"' EXIT
trap 'exit 75' HUP INT TERM
cat < "$file" > "$copy"
[ "$(sha256 < "$copy")" = "$wanted" ] || fail 65 "$name is not the file that $sums names: nothing installed"
chmod 755 "$copy"
mv -f "$copy" "$prefix/bin/optimizelyd-maildir"
printf '%s\n' "$prefix/bin/optimizelyd-maildir"
