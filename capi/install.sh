#!/bin/sh
# Installs the C library: shared (with its versioned name) and static, header, pkg-config file.
#
#   capi/install.sh PREFIX
#
# Environment:
#   LIBDIR    where the libraries go; PREFIX/lib
#   DESTDIR   put before every path, for packages
#   FEATURES  cargo features to build with, such as checked-pointers
#   BUILT     a directory with libzocket.so and libzocket.a; nothing is built then
set -eu

if [ $# -ne 1 ] || [ -z "$1" ]; then
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
case $1 in
/*) prefix=$1 ;;
*) prefix=$(pwd)/$1 ;;
esac
libdir=${LIBDIR:-$prefix/lib}
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$here/../Cargo.toml" | head -n 1)
[ -n "$version" ] || { echo "no version in $here/../Cargo.toml" >&2; exit 1; }
soname=libzocket.so.0

if [ -z "${BUILT:-}" ]; then
    # A target directory of our own, so that it is known where the files end up.
    target=${CARGO_TARGET_DIR:-$here/../target}
    cargo build --locked --release --manifest-path "$here/Cargo.toml" --lib \
        --target-dir "$target" --features "${FEATURES:-}"
    BUILT=$target/release
fi

to_lib=${DESTDIR:-}$libdir
to_include=${DESTDIR:-}$prefix/include
install -d "$to_lib/pkgconfig" "$to_include"
install -m 755 "$BUILT/libzocket.so" "$to_lib/libzocket.so.$version"
ln -sf "libzocket.so.$version" "$to_lib/$soname"
ln -sf "$soname" "$to_lib/libzocket.so"
install -m 644 "$BUILT/libzocket.a" "$to_lib/libzocket.a"
install -m 644 "$here/include/zocket.h" "$to_include/zocket.h"

# What the archive needs: `rustc --print native-static-libs`, without libc, which comes anyway.
cat >"$to_lib/pkgconfig/zocket.pc" <<EOF
prefix=$prefix
libdir=$libdir
includedir=\${prefix}/include

Name: zocket
Description: Zircon's sockets in user space for Linux
Version: $version
Libs: -L\${libdir} -lzocket
Libs.private: -lgcc_s -lpthread -lm -ldl
Cflags: -I\${includedir}
EOF
