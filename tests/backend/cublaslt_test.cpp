// NVIDIA's library of products, which the program looks for when it runs.
#include "base/with_cuda.h"

#if ESPALIER_WITH_CUDA
#include <cublasLt.h>
#include <gtest/gtest.h>

#include "runtime/cuda/cublaslt.h"

namespace espalier::test {
namespace {

// Needs no GPU: descriptions of products live on the host.
TEST(CuBlasLt, IsFoundWithWhatItDescribes) {
  ASSERT_EQ(cuda::cublaslt_problem(), "");
  EXPECT_STREQ(cublasLtGetStatusName(CUBLAS_STATUS_NOT_SUPPORTED), "CUBLAS_STATUS_NOT_SUPPORTED");
  cublasLtMatmulDescOpaque_t operation{};
  EXPECT_EQ(cublasLtMatmulDescInit(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F), CUBLAS_STATUS_SUCCESS);
  const cublasOperation_t transposed = CUBLAS_OP_T;
  EXPECT_EQ(cublasLtMatmulDescSetAttribute(&operation, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed),
            CUBLAS_STATUS_SUCCESS);
  cublasLtMatrixLayoutOpaque_t layout{};
  EXPECT_EQ(cublasLtMatrixLayoutInit(&layout, CUDA_R_16F, 64, 32, 64), CUBLAS_STATUS_SUCCESS);
  const int batch = 3;
  EXPECT_EQ(cublasLtMatrixLayoutSetAttribute(&layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof batch),
            CUBLAS_STATUS_SUCCESS);
  cublasLtMatmulPreferenceOpaque_t preference{};
  EXPECT_EQ(cublasLtMatmulPreferenceInit(&preference), CUBLAS_STATUS_SUCCESS);
  const std::size_t bytes = 1 << 20;
  EXPECT_EQ(cublasLtMatmulPreferenceSetAttribute(&preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes, sizeof bytes),
            CUBLAS_STATUS_SUCCESS);
}

}  // namespace
}  // namespace espalier::test
#endif
