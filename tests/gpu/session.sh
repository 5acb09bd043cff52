#!/usr/bin/env bash
# Everything that only a machine with a CUDA device can tell, in one go; results land in one folder.
#
#   bash tests/gpu/session.sh [FOLDER]
#
# Takes about ten minutes. Where no package index can be reached, bring what the machine lacks as wheels in ./wheels,
# made with
#   pip download --only-binary=:all: --no-deps --python-version 3.12 -d wheels \
#       omegaconf trimesh fast-simplification xatlas diffusers
# (imageio-ffmpeg too, for a whole run; it is large.)
set -uo pipefail
cd "$(dirname "$0")/../.."
out=${1:-gpu-results}
mkdir -p "$out"
export PYTHONPATH=$PWD

try() { # try NAME COMMAND...: run it, keep what it says, go on whatever happens
    local name=$1
    shift
    echo "== $name: $*"
    timeout 400 "$@" > "$out/$name.txt" 2>&1
    echo "exit $?" >> "$out/$name.txt"
    tail -n "${LINES_SHOWN:-6}" "$out/$name.txt"
}

if [ -d wheels ]; then try install python3 -m pip install --no-index --no-deps --find-links wheels wheels/*.whl; fi
if ! python3 -m pip show dreamforge3d > /dev/null 2>&1; then
    try install-dreamforge python3 -m pip install --no-index --no-deps --no-build-isolation -e .
fi
try device nvidia-smi
try doctor python3 -m dreamforge.cli doctor
try parity python3 -m pytest tests/gpu/test_parity.py -m gpu -q --tb=short --junitxml="$out/parity.xml"
try steps python3 -m pytest tests/gpu/test_steps.py -m gpu -q --tb=short --junitxml="$out/steps.xml"
try bench-kernels python3 -m dreamforge.cli bench kernels --json "$out/kernels.json"
try bench-libraries python3 tests/gpu/libraries.py "$out/libraries.json"
for scene in gaussians field; do
    try "bench-step-$scene" python3 -m dreamforge.cli bench step --scene "$scene" --json "$out/step-$scene.json"
    try "bench-step-sd-$scene" python3 -m dreamforge.cli bench step --prior sd21 --scene "$scene" \
        --json "$out/step-sd-$scene.json" stages.0.size=512 stages.0.batch=4
done
if command -v compute-sanitizer > /dev/null; then
    few="test_splats and 37 or test_compositing and 3 or test_harmonics and 4 or test_mesh and 37 or test_marching"
    for tool in memcheck racecheck; do
        try "sanitizer-$tool" compute-sanitizer --tool "$tool" --error-exitcode 9 \
            python3 -m pytest tests/gpu/test_parity.py -m gpu -q -x -k "$few"
    done
fi
echo "results are in $out"
