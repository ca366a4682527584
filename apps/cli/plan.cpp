// espalier plan: what memory a job will take.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "espalier/diagnostics.h"
#include "paths.h"
#include "text.h"

namespace espalier::cli {
namespace {

using Json = nlohmann::ordered_json;

PlanRequest request_of(const Settings& settings) {
  PlanRequest request;
  request.voxels = settings.voxels;
  if (settings.decode.any()) {
    request.mesh = settings.decode.mesh;
    request.gaussians = settings.decode.gaussians;
    request.radiance_field = settings.decode.radiance_field;
  }
  request.structure_sampler = settings.structure;
  request.latent_sampler = settings.latent;
  request.preset = settings.preset;
  request.together = settings.max_batch;
  const auto& files = settings.inputs;
  const bool latent = !files.empty() && files.front().extension() == ".safetensors";
  if (latent && files.size() > 1) throw UsageError("one latent is decoded at a time");
  if (latent) {
    for (const Option& row : option_table()) {
      const bool samples = row.group == OptionGroup::sampling || row.name == "max-batch";
      if (samples && row.is_for(use_plan) && settings.asked.contains(row.name))
        throw UsageError("--" + row.name + " has no effect: a latent is decoded without sampling");
    }
    request.latent = files.front();
  } else {
    for (const auto& file : files) Pipeline::check_image(file.string());
    request.images = std::max(1, static_cast<int>(files.size()));
  }
  return request;
}

Json json_of(const MemoryPlan& plan) {
  Json json{{"device", plan.device},      {"precision", plan.precision}, {"voxels", plan.voxels}, {"usable_bytes", plan.usable},
            {"tier", name_of(plan.tier)}, {"fits", plan.fits},           {"advice", plan.advice}, {"tiers", Json::array()}};
  if (plan.structure_evaluations > 0)
    json["evaluations"] = {{"structure", plan.structure_evaluations}, {"latent", plan.latent_evaluations}};
  for (const TierPlan& tier : plan.tiers) {
    Json stages = Json::array();
    for (const PlannedMemory& stage : tier.stages)
      stages.push_back({{"stage", stage.stage}, {"weight_bytes", stage.weights}, {"work_bytes", stage.work}});
    json["tiers"].push_back({{"tier", name_of(tier.tier)}, {"peak_bytes", tier.peak}, {"stages", stages}});
  }
  return json;
}

void print(const MemoryPlan& plan) {
  const TierPlan& chosen = plan.chosen();
  std::printf("%s, %s, %s voxels, tier %s\n\n", plan.device.c_str(), plan.precision.c_str(), thousands(plan.voxels).c_str(),
              std::string(name_of(plan.tier)).c_str());
  Table table({"stage", "weights", "work", "together"});
  for (const PlannedMemory& stage : chosen.stages)
    table.add({stage.stage, byte_count(stage.weights), byte_count(stage.work), byte_count(stage.weights + stage.work)});
  std::printf("%s\nThe most at a time: ", table.text().c_str());
  for (const TierPlan& tier : plan.tiers) {
    std::printf("%s%s in tier %s", &tier == plan.tiers.data() ? "" : ", ", byte_count(tier.peak).c_str(),
                std::string(name_of(tier.tier)).c_str());
  }
  std::printf(".");
  if (plan.structure_evaluations > 0) {
    std::printf(" Evaluations of the flows: %d of the structure's, %d of the latent's.", plan.structure_evaluations,
                plan.latent_evaluations);
  }
  std::printf(" Usable: %s.\nThe surface of a mesh takes more by its size, and finishing begins when the weights are idle.\n",
              byte_count(plan.usable).c_str());
}

}  // namespace

int plan(const Settings& settings) {
  const PlanRequest request = request_of(settings);
  const MemoryPlan plan = plan_memory(pipeline_options(settings, find_checkpoint(settings)), request);
  if (settings.json) {
    std::printf("%s\n", json_of(plan).dump(2, ' ', false, Json::error_handler_t::replace).c_str());
  } else {
    print(plan);
  }
  if (!plan.fits) {
    throw Error(ErrorCode::out_of_memory,
                "the job would take " + byte_count(plan.chosen().peak) + " in tier " + std::string(name_of(plan.tier)) +
                    ", but " + byte_count(plan.usable) + " can be used",
                plan.advice);
  }
  return 0;
}

}  // namespace espalier::cli
