#!/bin/sh
# `tools/environment.sh PYTHON ORIGIN FOLDER`: the virtual environment FOLDER, with what requirements.lock pins and this
# package. Nothing to do where it is ready; made anew where it was made in another place (its scripts hold its path), or
# by another version than that of a PYTHON which was asked for (make says ORIGIN: file means that nobody asked).
set -eu
python=$1 origin=$2 folder=$3
ready=$folder/.ready place=$folder/.place # what it has been given; where it was made
versions="3.11, 3.12 and 3.13" # those for which everything in requirements.lock has wheels; as pyproject.toml says

version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true
}

refuse() {
    echo "$1; Python $versions will do, of your choice: make PYTHON=python3.12" >&2
    exit 2
}

anew=
if [ -d "$folder" ]; then
    made=$(version_of "$folder/bin/python")
    if [ -z "$made" ] || { [ -f "$place" ] && [ "$(cat "$place")" != "$(cd "$folder" && pwd -P)" ]; }; then
        anew=--clear
    elif [ "$origin" != file ] && [ "$made" != "$(version_of "$python")" ]; then
        anew=--clear
    elif [ -f "$ready" ] && [ -z "$(find requirements.lock pyproject.toml -newer "$ready")" ]; then
        exit 0
    fi
fi

command -v "$python" >/dev/null || refuse "$python: there is no such Python here"
version=$(version_of "$python")
case $version in
3.11 | 3.12 | 3.13) ;;
3.14) refuse "$python is Python 3.14, for which immutables, which Snakemake needs, has no wheel" ;;
"") refuse "$python does not run here" ;;
*) refuse "$python is Python $version" ;;
esac
"$python" -c 'import ensurepip, venv' 2>/dev/null || {
    echo "$python has no venv; install it (on Debian and Ubuntu: apt install python$version-venv), and try again" >&2
    exit 2
}
if [ -n "$anew" ] && { [ -L "$folder" ] || { [ -n "$made" ] && ! [ -f "$ready" ] && ! [ -f "$place" ]; }; }; then
    echo "$folder: is there, was not made here by make, and would be replaced; move it away, and try again" >&2
    exit 2
fi
rm -f "$ready"
"$python" -m venv $anew "$folder"
(cd "$folder" && pwd -P) >"$place"
echo "installing the packages of requirements.lock into $folder (about 6 GB, some minutes)"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements.lock
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --editable .
touch "$ready"
