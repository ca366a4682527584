#include "api/doctor.h"

#include <thread>

#include "base/version.h"
#include "runtime/device_choice.h"
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

void describe_card(std::vector<Check>& out, const CardInfo& card) {
  const std::string name = "cuda:" + std::to_string(card.ordinal);
  out.push_back(fact(name, card.covered,
                     str(card.name, ", compute capability ", card.major, ".", card.minor, ", ",
                         static_cast<std::int64_t>(static_cast<double>(card.free_bytes) / kMiB), " of ",
                         static_cast<std::int64_t>(static_cast<double>(card.total_bytes) / kMiB), " MiB free, driver for CUDA ",
                         cuda_version(card.driver), ", built with CUDA ", cuda_version(card.runtime),
                         card.covered ? "" : "; " + card.advice)));
}

}  // namespace

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
  const std::vector<CardInfo> cards = list_cards();
  if (cards.empty()) out.push_back({"CUDA", false, true, "no card: the driver is missing or shows none (see nvidia-smi)"});
  for (const CardInfo& card : cards) {
    describe_card(out, card);
    const bool meant = device == "auto" || (wanted.cuda && wanted.ordinal == card.ordinal);
    if (!card.covered || !meant) continue;
    for (Check& c : check_cuda_kernels(card.ordinal)) out.push_back(std::move(c));
  }
  return out;
}

}  // namespace espalier
