// espalier-golden CASES_DIR: runs every case of a golden folder and compares every tensor with the reference's.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>

#include "base/file.h"
#include "base/with_cuda.h"
#include "nn/backends.h"
#include "runner.h"
#include "synthetic.h"

namespace espalier::golden {
namespace {

nlohmann::ordered_json load_index(const std::filesystem::path& file) {
  const auto bytes = read_file(file, std::uint64_t{16} << 20U);
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  (void)parse_json(file.string(), text);  // refuses what is not JSON or nested too deep
  return nlohmann::ordered_json::parse(text);
}

template <class Dev, class T>
bool run_case(Bench<Dev>& bench, Case& c) {
  return run_host_case(c) || run_op_case<Dev, T>(bench, c) || run_flow_case<Dev, T>(bench, c) ||
         run_surface_case<Dev, T>(bench, c) || run_model_case<Dev, T>(bench, c) || run_matting_case<Dev, T>(bench, c) ||
         run_text_case<Dev, T>(bench, c) || run_end_to_end_case<Dev, T>(bench, c);
}

const char* in_8_bits(Precision precision) {
  if (precision == Precision::int8) return " with int8 weights";
  return precision == Precision::fp8 ? " with float8 products" : "";
}

template <class Dev, class T>
int run(const RunOptions& options) {
  constexpr bool kHalf = std::is_same_v<T, half>;
  constexpr double kHalfOps = 1e-2;  // single operations on values rounded to half
  Tally tally;
  Bench<Dev> bench(options.ordinal);
  if (options.renders) {
    run_renders<Dev>(bench.queue, options, tally);
    run_mesh_renders<Dev>(bench.queue, options, tally);
    if (tally.compared == 0) {
      fail(ErrorCode::not_found, options.folder.string(), " has no images in gaussian_render/ or mesh_raster/");
    }
  } else if (options.large) {
    run_large<Dev, T>(bench, options, tally);
  } else {
    const auto index = load_index(options.folder / "cases.json");
    for (const auto& [name, spec] : index.items()) {
      if (!options.only.empty() && std::find(options.only.begin(), options.only.end(), name) == options.only.end()) continue;
      nlohmann::json plain = nlohmann::json::parse(spec.dump());
      plain["tensor_order"] = nlohmann::json::array();
      for (const auto& [tensor, shape] : spec.at("tensors").items()) plain["tensor_order"].push_back(tensor);
      try {
        Case c(options.folder, name, plain, options.precision, tally);
        const bool ops = name.rfind("norms", 0) == 0 || name.rfind("sparse_", 0) == 0;
        if (kHalf && ops) c.set_tolerance(kHalfOps);
        if (!run_case<Dev, T>(bench, c)) {
          std::printf("%-18s FAIL  no such case is implemented\n", name.c_str());
          ++tally.missing;
        } else {
          c.finish();
        }
      } catch (const std::exception& e) {
        std::printf("%-18s FAIL  %s\n", name.c_str(), e.what());
        ++tally.failed;
      }
      std::fflush(stdout);
    }
  }
  std::printf("%d tensors compared on %s in %s%s: %d failed, %d not covered\n", tally.compared, Dev::name,
              kHalf ? "float16" : "float32", in_8_bits(options.precision), tally.failed, tally.missing);
  return tally.compared > 0 && tally.failed == 0 && tally.missing == 0 ? 0 : 1;
}

int dispatch(const RunOptions& options, const std::string& device) {
  const bool eight_bits = options.precision == Precision::int8 || options.precision == Precision::fp8;
  if (device == "cpu") {
    if (options.precision != Precision::full && options.precision != Precision::int8)
      fail(ErrorCode::unsupported, "the CPU is compared in full and int8");
    return run<Cpu, float>(options);
  }
#if ESPALIER_WITH_CUDA
  if (options.precision == Precision::half || eight_bits) return run<Cuda, half>(options);
  return run<Cuda, float>(options);
#else
  (void)eight_bits;
  fail(ErrorCode::unsupported, "this build has no CUDA back end", hint("rebuild with: make cuda"));
#endif
}

}  // namespace

Precision precision_named(const std::string& name) {
  if (name == "half") return Precision::half;
  if (name == "int8") return Precision::int8;
  return name == "fp8" ? Precision::fp8 : Precision::full;
}

}  // namespace espalier::golden

int main(int argc, char** argv) {
  CLI::App app("Compares this build with the golden tensors of a folder, case by case.", "espalier-golden");
  espalier::golden::RunOptions options;
  std::string device = "cpu";
  std::string precision = "full";
  std::string folder;
  std::string synthetic;
  app.add_option("CASES_DIR", folder, "folder with cases.json, cases/ and what they name: images/, manifests/, onnx/")
      ->required();
  app.add_option("--synthetic", synthetic, "write a checkpoint of this size with synthetic weights into CASES_DIR instead")
      ->check(CLI::IsMember(espalier::golden::synthetic_names()));
  app.add_option("--device", device, "cpu or cuda")->check(CLI::IsMember({"cpu", "cuda"}));
  app.add_option("--precision", precision, "full or int8; cuda also half and fp8")
      ->check(CLI::IsMember({"full", "half", "int8", "fp8"}));
  app.add_option("--case", options.only, "only these cases");
  app.add_flag("--large", options.large, "the full-size forwards of image-large instead of the cases");
  app.add_flag("--renders", options.renders, "the images of gaussian_render/ and mesh_raster/ instead of the cases");
  CLI11_PARSE(app, argc, argv);
  options.folder = folder;
  options.precision = espalier::golden::precision_named(precision);
  try {
    if (!synthetic.empty()) {
      espalier::golden::write_synthetic(synthetic, ESPALIER_PUBLISHED, options.folder);
      return 0;
    }
    return espalier::golden::dispatch(options, device);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "espalier-golden: %s\n", e.what());
    return 1;
  }
}
