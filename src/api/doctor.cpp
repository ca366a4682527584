#include "api/doctor.h"

#include <thread>

#include "base/version.h"
#include "runtime/device_choice.h"
#include "runtime/device_memory.h"
#include "runtime/queue.h"

namespace espalier {
namespace {

Check fact(const std::string& name, bool passed, const std::string& detail) { return {name, passed, false, detail}; }

std::string cuda_version(int v) { return str(v / 1000, ".", v % 1000 / 10); }

constexpr double kMiB = 1024.0 * 1024.0;

void describe_processor(std::vector<Check>& out) {
  std::string features;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) features += " AVX2";
  if (__builtin_cpu_supports("avx512f")) features += " AVX-512";
  if (__builtin_cpu_supports("avx512bf16")) features += " bfloat16";
#endif
  out.push_back(
      fact("processor", true, str(std::thread::hardware_concurrency(), " cores", features.empty() ? "" : ";", features)));
  out.push_back(fact("free memory", true,
                     str(static_cast<std::int64_t>(static_cast<double>(free_memory<Cpu>(0)) / kMiB), " MiB on the host")));
}

void describe_gpu(std::vector<Check>& out, const GpuInfo& gpu) {
  const std::string name = "cuda:" + std::to_string(gpu.ordinal);
  out.push_back(fact(
      name, gpu.covered,
      str(gpu.name, ", compute capability ", gpu.major, ".", gpu.minor, ", ",
          static_cast<std::int64_t>(static_cast<double>(gpu.free_bytes) / kMiB), " of ",
          static_cast<std::int64_t>(static_cast<double>(gpu.total_bytes) / kMiB), " MiB free, driver for CUDA ",
          cuda_version(gpu.driver), ", built with CUDA ", cuda_version(gpu.runtime), gpu.covered ? "" : "; " + gpu.advice)));
}

}  // namespace

std::string device_in_words(const std::string& device) { return DeviceChoice::named(device).in_words(); }

DeviceMemory device_memory(const std::string& device) {
  const DeviceChoice choice = DeviceChoice::named(device);
  if (choice.cuda) return {free_memory<Cuda>(choice.ordinal), total_memory<Cuda>(choice.ordinal)};
  return {free_memory<Cpu>(0), total_memory<Cpu>(0)};
}

std::vector<Check> doctor(const std::string& device) {
  const DeviceChoice wanted = DeviceChoice::named(device);  // refuses a bad name
  std::vector<Check> out;
  out.push_back(
      fact("version", true, str("Espalier ", ESPALIER_VERSION, built_with_cuda() ? ", with CUDA" : ", without CUDA")));
  describe_processor(out);
  for (Check& c : check_cpu_kernels()) out.push_back(std::move(c));
  if (!built_with_cuda()) {
    out.push_back(
        {"CUDA", false, true, "this build has no CUDA back end; make cuda builds one where the toolkit is installed"});
    return out;
  }
  const std::vector<GpuInfo> gpus = list_gpus();
  if (gpus.empty()) out.push_back({"CUDA", false, true, "no GPU: the driver is missing or shows none (see nvidia-smi)"});
  for (const GpuInfo& gpu : gpus) {
    describe_gpu(out, gpu);
    const bool meant = device == "auto" || (wanted.cuda && wanted.ordinal == gpu.ordinal);
    if (!gpu.covered || !meant) continue;
    for (Check& c : check_cuda_kernels(gpu.ordinal)) out.push_back(std::move(c));
  }
  return out;
}

}  // namespace espalier
