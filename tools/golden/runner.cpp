#include "runner.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/with_cuda.h"

namespace espalier::golden {
namespace {

// What 8 bits add at most to the error of a golden tensor: docs/performance.md has what was measured.
constexpr double kInt8Error = 1e-1;
constexpr double kFloat8Error = 8e-1;

}  // namespace

Case::Case(std::filesystem::path folder, std::string name, const nlohmann::json& spec, Precision precision, Tally& tally)
    : folder_(std::move(folder)),
      name_(std::move(name)),
      spec_(spec),
      precision_(precision),
      tally_(tally),
      file_(folder_ / spec.at("file").get<std::string>()),
      tolerance_(spec.at("tolerance").get<double>()) {}

const Manifest& Case::manifest() {
  if (!manifest_) manifest_.emplace(folder_ / "manifests" / (spec_.at("config").get<std::string>() + ".json"));
  return *manifest_;
}

void Case::relax(double half) {
  switch (precision_) {
    case Precision::half: return set_tolerance(half);
    case Precision::int8: return set_tolerance(half + kInt8Error);
    case Precision::fp8: return set_tolerance(half + kFloat8Error);
    default: return;
  }
}

std::vector<std::string> Case::names() const {
  std::vector<std::string> out;
  for (const auto& [name, entry] : file_.entries()) out.push_back(name);
  return out;
}

HostTensor Case::input(const std::string& tensor) {
  seen_.insert(tensor);
  return file_.load(tensor);
}

std::vector<std::int64_t> Case::shape(const std::string& tensor) const { return file_.read(tensor).extents; }

void Case::compare_values(const std::string& tensor, const std::vector<double>& got) {
  seen_.insert(tensor);
  const HostTensor golden = file_.load(tensor);
  const std::vector<double> ref = golden.to_doubles();
  ++tally_.compared;
  if (ref.size() != got.size()) {
    ++tally_.failed;
    std::printf("%-18s %-34s FAIL  %zu values, expected %zu\n", name_.c_str(), tensor.c_str(), got.size(), ref.size());
    return;
  }
  double worst = 0.0;
  double squares = 0.0;
  for (std::size_t i = 0; i < ref.size(); ++i) {
    const double d = ref[i] == got[i] ? 0.0 : std::abs(ref[i] - got[i]);  // infinities may agree
    worst = std::isnan(d) ? INFINITY : std::max(worst, d);
    squares += ref[i] * ref[i];
  }
  const bool whole = !is_floating(golden.dtype());
  double tolerance = whole ? 0.0 : tolerance_;
  double error = worst;
  if (!whole) error = worst / std::max(std::sqrt(squares / std::max<double>(1.0, static_cast<double>(ref.size()))), 1e-6);
  const auto& exact = spec_.value("exact", nlohmann::json::array());
  if (!ignore_exact_ && std::find(exact.begin(), exact.end(), tensor) != exact.end()) tolerance = 0.0;
  const bool ok = error <= tolerance;
  if (!ok) ++tally_.failed;
  std::printf("%-18s %-34s %-5s error %.2e  tolerance %.0e\n", name_.c_str(), tensor.c_str(), ok ? "ok" : "FAIL", error,
              tolerance);
}

void Case::compare_every(const std::string& tensor, const std::vector<float>& got, std::int64_t width) {
  if (!has(tensor)) return;
  const std::vector<std::int64_t> golden = shape(tensor);
  const std::int64_t wanted = golden.empty() ? 1 : golden[0];
  const std::int64_t rows = static_cast<std::int64_t>(got.size()) / width;
  // The stride that leaves this many rows; powers of two are what the folder uses where several would do.
  std::int64_t step = 0;
  for (std::int64_t k = 1; k <= std::max<std::int64_t>(rows, 1); ++k) {
    if ((rows + k - 1) / k != wanted) continue;
    if (step == 0 || ((k & (k - 1)) == 0 && (step & (step - 1)) != 0)) step = k;
  }
  std::vector<double> picked;
  for (std::int64_t r = 0; step > 0 && r < rows; r += step) {
    for (std::int64_t i = 0; i < width; ++i) picked.push_back(got[static_cast<std::size_t>(r * width + i)]);
  }
  compare_values(tensor, picked);
}

void Case::compare_bytes(const std::string& what, const std::vector<std::uint8_t>& ref, const std::vector<std::uint8_t>& got) {
  ++tally_.compared;
  const bool ok = ref == got;
  if (!ok) ++tally_.failed;
  std::printf("%-18s %-34s %-5s %zu bytes\n", name_.c_str(), what.c_str(), ok ? "ok" : "FAIL", ref.size());
}

void Case::compare_count(const std::string& what, double got, double ref, double allowed) {
  ++tally_.compared;
  const bool ok = std::abs(got - ref) <= allowed * ref;
  if (!ok) ++tally_.failed;
  std::printf("%-18s %-34s %-5s %.0f, expected %.0f (%.1f %% allowed)\n", name_.c_str(), what.c_str(), ok ? "ok" : "FAIL", got,
              ref, 100 * allowed);
}

void Case::skip(const std::string& tensor, const std::string& why) {
  if (!has(tensor)) return;
  seen_.insert(tensor);
  std::printf("%-18s %-34s -     %s\n", name_.c_str(), tensor.c_str(), why.c_str());
}

void Case::finish() {
  for (const auto& [tensor, entry] : file_.entries()) {
    if (seen_.count(tensor) != 0 || tensor.rfind("info.", 0) == 0) continue;
    ++tally_.missing;
    std::printf("%-18s %-34s FAIL  not compared by this runner\n", name_.c_str(), tensor.c_str());
  }
}

template <class Dev>
void Recorder<Dev>::compare(Case& c, const std::string& prefix) const {
  for (const std::string& tensor : c.names()) {
    if (tensor.rfind(prefix + ".", 0) != 0) continue;
    std::string name = tensor.substr(prefix.size() + 1);
    std::int64_t step = 1;
    const std::size_t rows = name.rfind(".rows");
    if (rows != std::string::npos) {
      step = std::stoll(name.substr(rows + 5));
      name.erase(rows);
    }
    const auto it = records_.find(name);
    if (it == records_.end() || step < 1) continue;
    const Record& r = it->second;
    std::vector<double> picked;
    for (std::size_t row = 0; row * static_cast<std::size_t>(r.channels) < r.values.size();
         row += static_cast<std::size_t>(step)) {
      const float* from = r.values.data() + row * static_cast<std::size_t>(r.channels);
      picked.insert(picked.end(), from, from + r.channels);
    }
    c.compare(tensor, picked);
  }
}

template class Recorder<Cpu>;
#if ESPALIER_WITH_CUDA
template class Recorder<Cuda>;
#endif

std::vector<std::filesystem::path> files_of(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  if (!std::filesystem::is_directory(folder)) return files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace espalier::golden
