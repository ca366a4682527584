// The choice of a device at run time: the one place where code that is written for any device meets the devices of this build.
#pragma once

#include <type_traits>

#include "base/error.h"
#include "base/with_cuda.h"
#include "runtime/device_choice.h"
#include "tensor/view.h"

namespace espalier {

// Calls run(std::type_identity<Dev>{}) with the device that was chosen and returns what it returns. Throws unsupported for a
// GPU in a build without CUDA.
template <class Run>
decltype(auto) on_device(const DeviceChoice& device, const Run& run) {
#if ESPALIER_WITH_CUDA
  if (device.cuda) return run(std::type_identity<Cuda>{});
#else
  if (device.cuda) {
    fail(ErrorCode::unsupported, "this build has no CUDA back end",
         hint("use --device cpu, or install the CUDA toolkit and rebuild with: make cuda"));
  }
#endif
  return run(std::type_identity<Cpu>{});
}

}  // namespace espalier
