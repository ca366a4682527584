// What a machine, a build and a checkpoint are worth: known-answer checks, times of the stages, contents of checkpoints.
// Every function may throw espalier::Error.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "espalier/espalier.h"

namespace espalier {

struct ModuleInfo {
  std::string role;  // sparse_structure_flow_model, ...
  std::string name;  // class name in the JSON
  std::filesystem::path file;
  std::int64_t tensors = 0, parameters = 0, bytes = 0;
  std::map<std::string, std::int64_t> tensors_by_dtype;
};
struct CheckpointInfo {
  std::filesystem::path folder;
  std::string pipeline;  // TrellisImageTo3DPipeline
  std::vector<ModuleInfo> modules;
};
// Reads configurations and headers; checks every tensor against the network that its configuration describes.
// `repositories` as in PipelineOptions.
[[nodiscard]] ESPALIER_API CheckpointInfo inspect_checkpoint(
    const std::filesystem::path& folder, const std::filesystem::path& image_encoder = {},
    const std::map<std::string, std::filesystem::path>& repositories = {}, const std::filesystem::path& text_encoder = {});

struct ConvertedWeights {
  std::int64_t tensors = 0, parameters = 0;  // scales of 8-bit matrices are tensors, but no parameters
  std::int64_t quantised = 0;                // matrices in 8 bits
  std::uint64_t bytes = 0;                   // of the file that was written
  std::string sha256;                        // of that file
};
// Writes all tensors of a file of weights (.pth, .pt, .bin of torch.save, or .safetensors) as a safetensors file, in the order
// and form of the public library and so byte for byte what that writes; metadata is kept. Files of torch.save are read without
// running what is in them; tensors go from file to file one at a time. Atomic. Throws not_found, io, format for damaged files,
// unsupported for names in the pickle that weights do not need, invalid_argument when `to` does not end with .safetensors.
// int8: matrices of transformer blocks become I8 [rows, columns] with F32 [rows] beside them under the name with _scale behind
// it, element = number * scale of its row; throws format where one is not finite.
ESPALIER_API ConvertedWeights convert_weights(const std::filesystem::path& from, const std::filesystem::path& to,
                                              bool int8 = false);

// What a job would take of a device's memory.
struct PlannedMemory {
  std::string stage;                    // id of a Stage
  std::uint64_t weights = 0, work = 0;  // bytes
};
struct TierPlan {
  MemoryTier tier = MemoryTier::high;
  std::vector<PlannedMemory> stages;
  std::uint64_t peak = 0;  // bytes of the stage that takes most
};
struct MemoryPlan {
  std::string device, precision;
  std::int64_t voxels = 0;
  int structure_evaluations = 0, latent_evaluations = 0;  // of the flows, for one condition each; 0 where nothing is sampled
  std::uint64_t usable = 0;                               // bytes: PipelineOptions::memory_limit, or most of what is free
  std::vector<TierPlan> tiers;                            // high, medium, low
  MemoryTier tier = MemoryTier::high;                     // the one that would be used
  bool fits = false;
  std::string advice;  // which setting makes it fit, where it does not
  [[nodiscard]] ESPALIER_API const TierPlan& chosen() const;
};
struct PlanRequest {
  int images = 1;                  // of one object
  int together = 1;                // assets like it that are sampled at once
  std::filesystem::path latent{};  // a saved latent, which is decoded without sampling
  std::string voxels = "12k";      // 12k or 24k: the object that is expected where there is no latent
  bool mesh = true, gaussians = true, radiance_field = false;
  SamplerRequest structure_sampler{}, latent_sampler{};  // as structure and latent of Request
  SamplerPreset preset = SamplerPreset::checkpoint;
};
// Walks through the stages of a job without weights and without running them. Work is what the job will take to the byte, but
// for the extracted surface, whose size its shape decides, and for finishing. Throws as Pipeline's constructor does, and as
// Pipeline::decode does for a latent.
[[nodiscard]] ESPALIER_API MemoryPlan plan_memory(const PipelineOptions& options, const PlanRequest& request);

struct Check {
  std::string name;
  bool passed = false;
  bool skipped = false;
  std::string detail;  // measured error, version, or what to do
};
// What a device is called in reports: "cpu (16 cores)", "cuda:0 (NVIDIA H100 80GB HBM3)". device as in PipelineOptions.
[[nodiscard]] ESPALIER_API std::string device_in_words(const std::string& device = "auto");
// Memory of a whole device in bytes, for all processes: of a GPU as its driver says, of the CPU the system's. device as in
// PipelineOptions. Throws as a Pipeline's constructor does where there is no such device.
struct DeviceMemory {
  std::uint64_t free = 0, total = 0;
};
[[nodiscard]] ESPALIER_API DeviceMemory device_memory(const std::string& device = "auto");
// Known-answer checks of every kernel family on a device, and facts about it. device as in PipelineOptions.
[[nodiscard]] ESPALIER_API std::vector<Check> doctor(const std::string& device = "auto");

struct BenchOptions {
  std::string device = "auto";
  Precision precision = Precision::automatic;
  std::string voxels = "12k";  // 12k or 24k: the coordinate sets of docs/performance.md
  int repetitions = 5;
  bool quick = false;  // one small repetition, for checking that it runs
  // As in Request; those of the workload are 12 steps, guidance 7.5 and 3 in [0.5, 1], rescale_t 3.
  SamplerRequest structure{}, latent{};
  SamplerPreset preset = SamplerPreset::checkpoint;
  std::vector<int> batches{};  // of bench_batches(): how many assets are sampled together
};
struct BenchRow {
  std::string stage;
  double wall_ms = 0.0, device_ms = 0.0;  // medians; device_ms is 0 on the CPU
  double baseline_ms = 0.0;               // device time of the PyTorch system on an H100; 0 when there is none
  std::uint64_t peak_bytes = 0;           // device memory, weights included
};
// Times every stage of the image-large configuration with synthetic weights, on the workload of docs/performance.md.
[[nodiscard]] ESPALIER_API std::vector<BenchRow> bench(const BenchOptions& options, const Observer& observer = {});

// Of a batch of so many assets, from encoding to decoding, each with images and noise of its own and the voxels of the
// workload.
struct BatchBenchRow {
  int assets = 1;
  double wall_ms = 0.0, device_ms = 0.0;  // of all of them together, medians; device_ms is 0 on the CPU
  double sampling_ms = 0.0;               // of wall_ms: both flows
  std::uint64_t peak_bytes = 0;           // device memory, weights included
};
// One row for each of options.batches. Throws out_of_memory for one that memory does not hold.
[[nodiscard]] ESPALIER_API std::vector<BatchBenchRow> bench_batches(const BenchOptions& options, const Observer& observer = {});

}  // namespace espalier
