"""How a kernel is handed to the driver: through the real bindings, to a libcuda that notes what it is given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kernels.emulator import COMPILER, needs_compiler
from tests.kernels.test_cuda_compile import needs_nvrtc

pytestmark = [needs_compiler, needs_nvrtc, pytest.mark.skipif(sys.platform != "linux", reason="makes a Linux library")]

DRIVER = r"""
#include <cstring>
#include <dlfcn.h>
extern "C" {
unsigned noted[16];     // of the module the first word, then grid, block, shared bytes and parameters
void* pointers[4];      // stream, the first two parameters, extra
int answer = 0;
char asked[64];

void* context = nullptr;
int contexts = 0;  // how often one was asked for

int cuCtxGetCurrent(void** current) { *current = context; return 0; }
int cuCtxSetCurrent(void* wanted) { context = wanted; return 0; }
int cuDeviceGet(int* device, int index) { *device = 40 + index; return 0; }
int cuDevicePrimaryCtxRetain(void** retained, int device) {
    contexts++;
    *retained = device == 42 ? (void*)0x9abc : nullptr;
    return 0;
}
int cuModuleLoadData(void** module, const void* image) { memcpy(noted, image, 4); *module = (void*)0x1234; return 0; }
int cuModuleGetFunction(void** function, void* module, const char* name) {
    strncpy(asked, name, 63);
    *function = module == (void*)0x1234 ? (void*)0x5678 : nullptr;
    return 0;
}
int cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void* stream, void** parameters, void** extra) {
    unsigned given[] = {gx, gy, gz, bx, by, bz, shared, *(unsigned*)parameters[2], function == (void*)0x5678};
    memcpy(noted + 1, given, sizeof given);
    memcpy(noted + 10, parameters[3], 4);
    memcpy(noted + 11, parameters[4], 8);
    void* handed[] = {stream, *(void**)parameters[0], *(void**)parameters[1], extra};
    memcpy(pointers, handed, sizeof handed);
    return answer;
}
int cuGetProcAddress_v2(const char* name, void** found, int, unsigned long long, int*) {
    *found = dlsym(RTLD_DEFAULT, name);
    if (!*found) *found = dlsym(dlopen("libcuda.so.1", RTLD_NOW), name);
    return *found ? 0 : 500;
}
}
"""

LAUNCH = """
import contextlib, ctypes, json, types
import torch
from dreamforge.kernels import nvrtc
from dreamforge.kernels.hashgrid_cuda import program

torch.cuda.device = lambda device: contextlib.nullcontext()
torch.cuda.current_stream = lambda device: types.SimpleNamespace(cuda_stream=0x77)
torch.cuda.get_device_capability = lambda device: (9, 0)
class OnSecond(torch.Tensor):
    device = torch.device("cuda", 2)

tensor = torch.zeros(5).as_subclass(OnSecond)

def launch():
    program(2, False).launch("forward", (3, 4), 96, tensor, None, 41, 2.5, (ctypes.c_int * 2)(8, 9))

launch()
launch()
library = ctypes.CDLL("libcuda.so.1")
noted = (ctypes.c_uint * 16).in_dll(library, "noted")
pointers = (ctypes.c_void_p * 4).in_dll(library, "pointers")
found = {"noted": list(noted), "pointers": list(pointers), "tensor": tensor.data_ptr()}
found["contexts"] = ctypes.c_int.in_dll(library, "contexts").value, ctypes.c_void_p.in_dll(library, "context").value
found["asked"] = (ctypes.c_char * 64).in_dll(library, "asked").value.decode()
ctypes.c_int.in_dll(library, "answer").value = 700
try:
    launch()
except RuntimeError as error:
    found["error"] = str(error)
print(json.dumps(found))
"""


def test_what_the_driver_is_given(tmp_path: Path) -> None:
    source = tmp_path / "driver.cpp"
    source.write_text(DRIVER)
    command = [COMPILER, "-shared", "-fPIC", source, "-o", tmp_path / "libcuda.so.1", "-ldl"]
    built = subprocess.run(command, capture_output=True)
    assert built.returncode == 0, built.stderr.decode()
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", LAUNCH], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    magic, *grid_and_block, shared, number, right_function, fraction, first, second = found["noted"][:13]
    assert magic == int.from_bytes(b"\x7fELF", "little") and right_function and found["asked"] == "forward"
    assert found["contexts"] == [1, 0x9ABC]  # bound once, in a thread that had none
    assert grid_and_block == [3, 4, 1, 96, 1, 1] and shared == 0
    assert found["pointers"] == [0x77, found["tensor"], None, None]
    assert number == 41 and fraction == 0x40200000 and [first, second] == [8, 9]
    assert found["error"] == "CUDA: forward: CUDA_ERROR_ILLEGAL_ADDRESS"
