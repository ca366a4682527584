// The functions of cublasLt.h that the program calls. Each goes on to the library's own of the same name.
#include "runtime/cuda/cublaslt.h"

#include <cublasLt.h>
#include <dlfcn.h>

#include <array>

#include "base/error.h"

namespace espalier::cuda {
namespace {

struct Library {
  void* handle = nullptr;
  std::string problem;
};

Library open_library() {
  const std::string name = str("libcublasLt.so.", CUBLAS_VER_MAJOR);
  // Where the loader looks (LD_LIBRARY_PATH, ld.so.conf), then where the toolkit is installed.
  const std::array<std::string, 3> places{name, "/usr/local/cuda/lib64/" + name,
                                          str("/usr/local/cuda-", CUBLAS_VER_MAJOR, "/lib64/", name)};
  for (const std::string& place : places) {
    // For the life of the process: GPUs may be used by then.
    if (void* handle = ::dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL)) return {handle, {}};
  }
  return {nullptr, str(name, " was not found: install NVIDIA's package libcublas-", CUBLAS_VER_MAJOR, "-", CUBLAS_VER_MINOR,
                       " or name the folder that has it in LD_LIBRARY_PATH")};
}

const Library& library() {
  static const Library opened = open_library();
  return opened;
}

void* find(const char* function) { return library().handle == nullptr ? nullptr : ::dlsym(library().handle, function); }

}  // namespace

const std::string& cublaslt_problem() { return library().problem; }

}  // namespace espalier::cuda

#define ESPALIER_FORWARD(result, absent, name, parameters, arguments)                            \
  result name parameters {                                                                       \
    static const auto function = reinterpret_cast<decltype(&name)>(espalier::cuda::find(#name)); \
    return function == nullptr ? absent : function arguments;                                    \
  }

extern "C" {
ESPALIER_FORWARD(const char*, "?", cublasLtGetStatusName, (cublasStatus_t status), (status))
ESPALIER_FORWARD(const char*, "the library is missing", cublasLtGetStatusString, (cublasStatus_t status), (status))
ESPALIER_FORWARD(cublasStatus_t, CUBLAS_STATUS_NOT_INITIALIZED, cublasLtCreate, (cublasLtHandle_t * handle), (handle))
ESPALIER_FORWARD(cublasStatus_t, CUBLAS_STATUS_NOT_INITIALIZED, cublasLtDestroy, (cublasLtHandle_t handle), (handle))
ESPALIER_FORWARD(cublasStatus_t, CUBLAS_STATUS_NOT_INITIALIZED, cublasLtMatmul,
                 (cublasLtHandle_t handle, cublasLtMatmulDesc_t operation, const void* alpha, const void* a,
                  cublasLtMatrixLayout_t of_a, const void* b, cublasLtMatrixLayout_t of_b, const void* beta, const void* c,
                  cublasLtMatrixLayout_t of_c, void* d, cublasLtMatrixLayout_t of_d, const cublasLtMatmulAlgo_t* algorithm,
                  void* workspace, std::size_t bytes, cudaStream_t stream),
                 (handle, operation, alpha, a, of_a, b, of_b, beta, c, of_c, d, of_d, algorithm, workspace, bytes, stream))
ESPALIER_FORWARD(cublasStatus_t, CUBLAS_STATUS_NOT_INITIALIZED, cublasLtMatmulAlgoGetHeuristic,
                 (cublasLtHandle_t handle, cublasLtMatmulDesc_t operation, cublasLtMatrixLayout_t of_a,
                  cublasLtMatrixLayout_t of_b, cublasLtMatrixLayout_t of_c, cublasLtMatrixLayout_t of_d,
                  cublasLtMatmulPreference_t preference, int wanted, cublasLtMatmulHeuristicResult_t* results, int* found),
                 (handle, operation, of_a, of_b, of_c, of_d, preference, wanted, results, found))
ESPALIER_FORWARD(cublasStatus_t, CUBLAS_STATUS_NOT_INITIALIZED, cublasLtMatmulDescInit_internal,
                 (cublasLtMatmulDesc_t operation, std::size_t size, cublasComputeType_t compute, cudaDataType_t scale),
                 (operation, size, compute, scale))
ESPALIER_FORWARD(cublasStatus_t, CUBLAS_STATUS_NOT_INITIALIZED, cublasLtMatmulDescSetAttribute,
                 (cublasLtMatmulDesc_t operation, cublasLtMatmulDescAttributes_t attribute, const void* value,
                  std::size_t size),
                 (operation, attribute, value, size))
ESPALIER_FORWARD(cublasStatus_t, CUBLAS_STATUS_NOT_INITIALIZED, cublasLtMatmulPreferenceInit_internal,
                 (cublasLtMatmulPreference_t preference, std::size_t size), (preference, size))
ESPALIER_FORWARD(cublasStatus_t, CUBLAS_STATUS_NOT_INITIALIZED, cublasLtMatmulPreferenceSetAttribute,
                 (cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t attribute, const void* value,
                  std::size_t size),
                 (preference, attribute, value, size))
ESPALIER_FORWARD(cublasStatus_t, CUBLAS_STATUS_NOT_INITIALIZED, cublasLtMatrixLayoutInit_internal,
                 (cublasLtMatrixLayout_t layout, std::size_t size, cudaDataType type, std::uint64_t rows, std::uint64_t columns,
                  std::int64_t step),
                 (layout, size, type, rows, columns, step))
ESPALIER_FORWARD(cublasStatus_t, CUBLAS_STATUS_NOT_INITIALIZED, cublasLtMatrixLayoutSetAttribute,
                 (cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t attribute, const void* value,
                  std::size_t size),
                 (layout, attribute, value, size))
}

#undef ESPALIER_FORWARD
