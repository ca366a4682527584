#include "runtime/device_choice.h"

#include <charconv>
#include <thread>
#include <vector>

#include "base/error.h"
#include "runtime/queue.h"

namespace espalier {
namespace {

[[noreturn]] void refuse_name(const std::string& device) {
  fail(ErrorCode::invalid_argument, "device ", device, ": expected auto, cpu, cuda or cuda:N with N = 0, 1, ...");
}

int gpu_number(const std::string& device) {
  if (device == "cuda") return 0;
  int n = -1;
  const char* end = device.data() + device.size();
  const auto [at, error] = std::from_chars(device.data() + 5, end, n);
  if (error != std::errc() || at != end || n < 0) refuse_name(device);
  return n;
}

void check_gpu(const std::string& device, int ordinal, const std::vector<GpuInfo>& gpus) {
  for (const GpuInfo& gpu : gpus) {
    if (gpu.ordinal != ordinal) continue;
    if (!gpu.covered) fail(ErrorCode::device, "device ", device, " (", gpu.name, "): ", gpu.advice);
    return;
  }
  fail(ErrorCode::device, "device ", device, ": no such GPU, the driver shows ", gpus.size(),
       hint("espalier doctor says more"));
}

}  // namespace

DeviceChoice DeviceChoice::named(const std::string& device) {
  if (device == "cpu") return {};  // without looking at GPUs, which starts their driver and takes a while
  if (device == "auto") {
    DeviceChoice cpu;
    for (const GpuInfo& gpu : list_gpus()) {
      if (gpu.covered) return {true, gpu.ordinal};
      if (cpu.passed_over.empty()) cpu.passed_over = str(gpu.name, ": ", gpu.advice);
    }
    return cpu;
  }
  if (device != "cuda" && device.rfind("cuda:", 0) != 0) refuse_name(device);
  if (!built_with_cuda()) {
    fail(ErrorCode::unsupported, "device ", device, ": this build has no CUDA back end",
         hint("rebuild with: make cuda, or use --device cpu"));
  }
  const int ordinal = gpu_number(device);
  check_gpu(device, ordinal, list_gpus());
  return {true, ordinal};
}

std::string DeviceChoice::in_words() const {
  if (!cuda) return str("cpu (", std::thread::hardware_concurrency(), " cores)");
  for (const GpuInfo& gpu : list_gpus()) {
    if (gpu.ordinal == ordinal) return str("cuda:", ordinal, " (", gpu.name, ")");
  }
  return str("cuda:", ordinal);
}

}  // namespace espalier
