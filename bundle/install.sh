#!/bin/sh
# Installs the study without a network. Made by `study bundle`; may be run again.
set -eu

wanted=@python@
commit=@commit@
expected="@expected@"
here=$(cd "$(dirname "$0")" && pwd)
bundle=study-bundle

usage() {
    cat <<EOF
usage: sh install.sh [--python PYTHON | --into PYTHON]

--python PYTHON  a new virtual environment beside this script that uses the packages of PYTHON
                 (the default, with python3 or python$wanted of the PATH)
--into PYTHON    no new environment: installs into PYTHON itself
EOF
}

fail() {
    echo "install.sh: $1" >&2
    exit 2
}

version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || echo none
}

verify() { # of the files that SHA256SUMS beside this script names: all are here, and whole
    bad=$(cd "$here" && LC_ALL=C sha256sum --check --quiet SHA256SUMS 2>/dev/null) ||
        fail "expected every file of SHA256SUMS in $here, found missing (open or read) or damaged: \
$(echo $bad): copy these again."
}

check_host() { # what the list given with --have promised
    missing=$("$1" -c 'import re, sys
from importlib.metadata import distributions
there = {re.sub("[-_.]+", "-", one.metadata["Name"] or "").lower() for one in distributions()}
print(*sorted(set(sys.argv[1:]) - there), sep=", ")' $expected)
    [ -z "$missing" ] || fail "expected $missing on $1, as --have said, found none: give the Python \
that \`pip freeze\` was run with, or make the bundle again."
}

make_environment() { # $1: the Python whose packages are used
    # pip comes from the host where ensurepip is not installed, as on Debian.
    "$1" -m venv --system-site-packages --without-pip "$here/venv"
    # A virtual environment's own packages are not those of the system.
    "$1" - "$here/venv/lib/python$wanted/site-packages/host.pth" <<'EOF'
import site, sys

if sys.prefix != sys.base_prefix:
    with open(sys.argv[1], "w", encoding="utf-8") as pth:
        for folder in site.getsitepackages():
            # In ASCII: a .pth is read in the encoding of the locale.
            pth.write("import site; site.addsitedir(%s)\n" % ascii(folder))
EOF
    "$here/venv/bin/python" -m pip --version >/dev/null 2>&1 ||
        "$here/venv/bin/python" -m ensurepip >/dev/null 2>&1 ||
        fail "expected pip or ensurepip in $1, found neither: install one of them."
}

install_wheels() { # $1: a folder of wheels, then further options of pip
    wheels=$1
    shift
    # The host's settings of pip (an index, constraints, --user) do not count here. Reinstalled, so
    # that a run that was cut off is made good.
    PIP_CONFIG_FILE=/dev/null "$python" -m pip --isolated install --quiet --no-index --no-deps \
        --force-reinstall --no-warn-script-location --find-links "$wheels" "$@" "$wheels"/*.whl
}

unpack_project() {
    sum=$(sha256sum <"$here/project.tar")
    if [ "$(cat "$here/project.sum" 2>/dev/null)" = "$sum" ]; then
        echo "  the project is there already"
        return
    fi
    mkdir -p "$here/project"
    tar -xf "$here/project.tar" -C "$here/project"
    echo "$commit" >"$here/project/.commit"
    echo "$sum" >"$here/project.sum"
}

check_fit() { # what was packed for the versions that --have named, with those that are here
    for module in fastapi litserve locust tritonclient.grpc; do
        said=$("$python" -W ignore -c "import $module" 2>&1) ||
            fail "expected $module and what it needs to fit together, found: $(
                echo "$said" | tail -n 1
            ): make the bundle again with \`pip freeze\` of this very Python."
    done
}

quoted() { # $1: a path, as a shell takes it
    case $1 in
    *[!A-Za-z0-9_./-]*) printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\''/g")" ;;
    *) printf %s "$1" ;;
    esac
}

write_command() {
    cat >"$here/study" <<EOF
#!/bin/sh
export PYTHONPATH="$here/project\${PYTHONPATH:+:\$PYTHONPATH}"
EOF
    if [ -d "$here/triton-site" ]; then
        echo "export STUDY_TRITON_SITE=\"$here/triton-site\"" >>"$here/study"
    fi
    echo "exec \"$python\" \"$here/project/study.py\" \"\$@\"" >>"$here/study"
    chmod +x "$here/study"
}

mode=--python
python=python3
[ "$(version_of python3)" = "$wanted" ] || python=python$wanted
while [ $# -gt 0 ]; do
    case $1 in
    --python | --into)
        [ $# -gt 1 ] || fail "expected a Python after $1, found nothing: name one."
        mode=$1
        python=$2
        shift 2
        ;;
    -h | --help)
        usage
        exit
        ;;
    *)
        usage >&2
        fail "expected --python or --into, found $1: see above."
        ;;
    esac
done
found=$(version_of "$python")
[ "$found" = "$wanted" ] || fail "expected Python $wanted, for which this bundle is, found $found \
in $python: give another with $mode."
python=$(command -v "$python")
case $python in /*) ;; *) python=$(pwd)/$python ;; esac

echo "Verifying the files in $here"
verify
if [ ! -f "$here/project.tar" ]; then # beside the archive, or its parts
    echo "Unpacking to $here/$bundle"
    # Those of an earlier bundle; what was installed, and results, stay.
    rm -rf "$here/$bundle/wheels" "$here/$bundle/triton-wheels" "$here/$bundle/artefacts"
    cat "$here/$bundle".tar* | tar --no-same-owner -xf - -C "$here"
    exec sh "$here/$bundle/install.sh" "$mode" "$python"
fi

[ -z "$expected" ] || check_host "$python"
if [ "$mode" = --python ]; then
    echo "Making a virtual environment in $here/venv that uses the packages of $python"
    make_environment "$python"
    python=$here/venv/bin/python
fi
echo "Installing $(ls "$here/wheels" | wc -l) packages into $python"
install_wheels "$here/wheels"
if [ -d "$here/triton-wheels" ]; then
    echo "Installing numpy for Triton's Python stubs into $here/triton-site"
    rm -rf "$here/triton-site"
    install_wheels "$here/triton-wheels" --target "$here/triton-site"
fi
echo "Checking that what was installed fits what was there"
check_fit
echo "Unpacking the project to $here/project"
unpack_project
for model in "$here"/artefacts/*/; do
    [ -d "$model" ] || continue
    echo "Placing the model $(basename "$model")"
    mkdir -p "$here/project/.cache/artefacts"
    (cd "$here/project" && "$python" -m bundle.adopt .cache/artefacts "$model")
done
write_command
experiment=default
if command -v nvidia-smi >/dev/null 2>&1 && [ -f "$here/project/loadtests/experiments/gpu.toml" ]; then
    experiment=gpu
fi
echo "Done. To see that all parts work, then to measure:"
echo "  $(quoted "$here/study") smoke"
echo "  $(quoted "$here/study") run $experiment"
