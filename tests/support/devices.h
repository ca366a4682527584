// Suites over devices, for tests that do not depend on an element type: the CPU, and a GPU where the build has CUDA.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/with_cuda.h"
#include "runtime/queue.h"

namespace espalier::test {

#if ESPALIER_WITH_CUDA
using Devices = ::testing::Types<Cpu, Cuda>;
#else
using Devices = ::testing::Types<Cpu>;
#endif

struct DeviceNames {
  template <class Dev>
  static std::string GetName(int /*index*/) {
    return Dev::name;
  }
};

// Skips, and says so, where there is no GPU.
template <class Dev>
class OnDevice : public ::testing::Test {
 protected:
  void SetUp() override {
    if (Dev::where == Where::cuda && list_gpus().empty()) GTEST_SKIP() << "no NVIDIA GPU on this machine";
  }
};

}  // namespace espalier::test
