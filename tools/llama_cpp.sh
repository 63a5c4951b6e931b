#!/usr/bin/env bash
# llama-cpp-python's wheel, built from its source distribution for the processor alone: once, with one compiler, so that the rest
# of the machine stays usable (74 files, a quarter of an hour). Kept outside of the clone; prints the directory with the wheel.
set -euo pipefail

version=0.3.36
kept="${OTEL_LLM_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/otel-llm/tools}"
wheels="$kept/llama-cpp-python-$version"

whole() {
  compgen -G "$wheels/llama_cpp_python-$version-*.whl" >/dev/null
}

if ! whole; then
  for needed in cmake c++; do
    command -v "$needed" >/dev/null || {
      echo "llama-cpp-python $version is not in $wheels, and there is no $needed to build it with" >&2
      exit 1
    }
  done
  mkdir -p "$wheels"
  exec 9>"$wheels/.lock"
  flock 9 # another run may be building it
fi
if ! whole; then
  building="$(mktemp -d "$kept/.building.XXXXXX")"
  trap 'rm -rf "$building"' EXIT
  python3 -m pip download --quiet --no-deps --no-binary llama-cpp-python -d "$building" "llama-cpp-python==$version" >&2
  mkdir "$building/source"
  tar -xzf "$building"/llama_cpp_python-*.tar.gz -C "$building/source" --strip-components 1
  # what its own programs share, which the library does not need, is most of what there is to compile
  sed -i 's/set(LLAMA_BUILD_COMMON ON/set(LLAMA_BUILD_COMMON OFF/' "$building/source/CMakeLists.txt"
  # -O0: the model that the tests make has a few thousand parameters, and the compiler is what takes the time
  export CMAKE_BUILD_PARALLEL_LEVEL="${CMAKE_BUILD_PARALLEL_LEVEL:-1}"
  export CMAKE_ARGS="-DGGML_NATIVE=OFF -DGGML_OPENMP=OFF -DGGML_LLAMAFILE=OFF -DLLAVA_BUILD=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
-DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_CURL=OFF \
-DCMAKE_C_FLAGS_RELEASE=-O0 -DCMAKE_CXX_FLAGS_RELEASE=-O0"
  python3 -m pip wheel --quiet --no-deps -w "$building" "$building/source" >&2
  mv "$building"/*.whl "$wheels"
fi
echo "$wheels"
