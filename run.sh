#!/bin/sh
# Sets up what a command needs, once, then runs it:
#   ./run.sh build [...]    python -m generator build [...], likewise analyze, validate, emulate, train, ...
#   ./run.sh test [...]     the test suite (arguments go to pytest)
set -eu
cd "$(dirname "$0")"

VENV=.venv
STAMPS=$VENV/firmcast

command=${1-}
case "$command $*" in
    test* | *tflm*) wants_cxx=yes ;;
    *) wants_cxx=no ;;
esac

say() { echo "run.sh: $*" >&2; }

# Debian packages that are not there yet, named by the program or file that tells.
missing_packages() {
    command -v arm-none-eabi-gcc >/dev/null || echo gcc-arm-none-eabi
    [ -e /usr/lib/arm-none-eabi/include/stdint.h ] || [ -e /usr/include/newlib/stdint.h ] || echo libnewlib-arm-none-eabi
    command -v cmake >/dev/null || echo cmake
    command -v ninja >/dev/null || echo ninja-build
    command -v make >/dev/null || echo make # what plain CMake takes
    command -v cc >/dev/null || echo gcc libc6-dev
    command -v python3 >/dev/null || echo python3
    python3 -c 'import ensurepip' 2>/dev/null || echo python3-venv
    # The tests ask it which files are the project's.
    [ "$command" != test ] || command -v git >/dev/null || echo git
    [ "$wants_cxx" = no ] || command -v c++ >/dev/null || echo g++
    # Large (1.5 GB): for the engine tflm and its tests alone.
    [ "$wants_cxx" = no ] || [ -e /usr/include/newlib/c++ ] || [ -e /usr/lib/arm-none-eabi/include/c++ ] ||
        echo libstdc++-arm-none-eabi-newlib
}

install_packages() {
    command -v dpkg >/dev/null || return 0 # not Debian: the tools themselves say what they miss
    packages=$(missing_packages)
    [ -n "$packages" ] || return 0
    packages=$(echo "$packages" | tr '\n' ' ')
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif command -v sudo >/dev/null; then
        as_root=sudo
    else
        say "these Debian packages are missing, and neither root nor sudo is at hand: $packages"
        say "install them with: apt-get install $packages"
        exit 6
    fi
    say "installing Debian packages: $packages"
    $as_root apt-get update -qq
    # shellcheck disable=SC2086 # one word per package
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
}

# What the virtual environment was made from: another pyproject.toml makes it anew.
fingerprint() { cksum <pyproject.toml; }

# Installs the project with an extra, unless that is done already.
install_extra() {
    stamp=$STAMPS/$1
    [ "$wants_cxx" = no ] || install_packages
    [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$(fingerprint)" ] && return 0
    install_packages
    if [ ! -x $VENV/bin/python ]; then
        say "making the virtual environment $VENV"
        python3 -m venv $VENV
    fi
    mkdir -p $STAMPS
    say "installing Python packages for '$1'"
    $VENV/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[$1]"
    fingerprint >"$stamp"
}

case $command in
    "" | -h | --help) say "usage: ./run.sh build|test|analyze|validate|emulate|train|quantize|evaluate|sweep|study|flash|monitor ..." ;;
esac

case $command in
    test)
        shift
        install_extra train
        install_extra test
        # A file's tests share what they build, so files are what processes take from one another.
        exec $VENV/bin/python -m pytest --numprocesses auto --dist loadfile "$@"
        ;;
    train | quantize | evaluate)
        case "$*" in
            *.onnx*) install_extra image ;; # no Keras in it
            *) install_extra train ;;
        esac
        ;;
    sweep | study)
        install_extra train
        install_extra plot
        ;;
    flash | monitor) install_extra serial ;;
    *) install_extra image ;;
esac
case "$*" in
    *.onnx*) install_extra onnx ;;
esac
case $command in
    validate)
        install_extra serial
        case "$*" in
            *--layers* | *--float* | *--picture*)
                install_extra litert
                install_extra plot
                ;;
        esac
        ;;
    monitor) install_extra image ;;
esac
exec $VENV/bin/python -m generator "$@"
