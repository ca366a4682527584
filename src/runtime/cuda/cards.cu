// Which cards there are, and whether this build has code for them.
#include "runtime/cuda/check.h"
#include "runtime/queue.h"

namespace espalier {
namespace {

// Exists to be asked for: the runtime knows whether it was compiled for the current card.
__global__ void probe() {}

CardInfo describe(int ordinal, const cudaDeviceProp& properties) {
  CardInfo card;
  card.ordinal = ordinal;
  card.name = properties.name;
  card.major = properties.major;
  card.minor = properties.minor;
  card.total_bytes = properties.totalGlobalMem;
  cudaFuncAttributes attributes{};
  cudaError_t status = cudaSetDevice(ordinal);
  if (status == cudaSuccess) status = cudaMemGetInfo(&card.free_bytes, &card.total_bytes);
  if (status == cudaSuccess) status = cudaFuncGetAttributes(&attributes, probe);
  card.covered = status == cudaSuccess;
  if (status == cudaErrorNoKernelImageForDevice || status == cudaErrorInvalidDeviceFunction) {
    card.advice = str("this build has no code for compute capability ", card.major, ".", card.minor,
                      ": rebuild with: ", cuda::rebuild_command(card.major, card.minor));
  } else if (status != cudaSuccess) {
    card.advice = str("the card cannot be used: ", cudaGetErrorString(status), " (", cudaGetErrorName(status), ")");
  }
  return card;
}

}  // namespace

std::vector<CardInfo> list_cards() {
  std::vector<CardInfo> cards;
  int count = 0;
  int former = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess && cudaGetDevice(&former) == cudaSuccess) {
    int driver = 0;
    int runtime = 0;
    const bool known = cudaDriverGetVersion(&driver) == cudaSuccess && cudaRuntimeGetVersion(&runtime) == cudaSuccess;
    for (int i = 0; i < count; ++i) {
      cudaDeviceProp properties{};
      if (cudaGetDeviceProperties(&properties, i) != cudaSuccess) continue;
      cards.push_back(describe(i, properties));
      cards.back().driver = known ? driver : 0;
      cards.back().runtime = known ? runtime : 0;
    }
    static_cast<void>(cudaSetDevice(former));
  }
  static_cast<void>(cudaGetLastError());  // asking must not leave an error behind for the next call
  return cards;
}

}  // namespace espalier
