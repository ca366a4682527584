#include "recipes/trellis_batch.h"

#include <algorithm>
#include <new>
#include <utility>
#include <vector>

#include "recipes/trellis_latent.h"

namespace espalier {
namespace {

// A member with its stream of random numbers and the noise that was drawn last.
struct Sampled {
  BatchMember* member;
  TorchGenerator stream;
  std::vector<float> values;
};

void add_costs(std::vector<StageCost> costs, int assets, BatchMember& member) {
  for (StageCost& cost : costs) {
    cost.assets = assets;
    member.costs.push_back(cost);
  }
}

// What becomes of this member, its cancellation included, is of no concern to the others; but after a fault of the device
// nothing works any more.
template <class Work>
void attempt(BatchMember& member, Work work) {
  try {
    work();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::device) throw;
    member.failure = std::current_exception();
  } catch (...) {
    member.failure = std::current_exception();
  }
}

class BatchSampling {
 public:
  BatchSampling(Session& session, const char* role, Stage stage, const SamplerSettings& settings)
      : session_(session), role_(role), stage_(stage), settings_(settings) {}

  // The noise of all becomes their samples, in as few parts as memory allows. `input(sampled)` is what the flow gets.
  template <class InputOf>
  void run(std::span<Sampled* const> all, const InputOf& input_of) {
    std::vector<Sampled*> staying;
    std::copy_if(all.begin(), all.end(), std::back_inserter(staying), [](const Sampled* s) { return s->member->stays(); });
    if (staying.empty()) return;
    if (staying.size() == 1) {
      attempt(*staying.front()->member, [&] { sample(staying, input_of); });
      (void)session_.take_costs();  // of what has failed
      return;
    }
    try {
      return sample(staying, input_of);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::out_of_memory) throw;
    } catch (const std::bad_alloc&) {  // the host's memory: the same
    }
    (void)session_.take_costs();
    const auto half = std::span(staying).first((staying.size() + 1) / 2);
    run(half, input_of);
    run(std::span(staying).subspan(half.size()), input_of);
  }

 private:
  // While it lives, what runs is one stage with one cost, however often a member leaves.
  class Part {
   public:
    Part(Session& session, Stage stage) : session_(session) { session_.part_of(stage); }
    Part(const Part&) = delete;
    Part& operator=(const Part&) = delete;
    ~Part() { session_.part_of(std::nullopt); }

   private:
    Session& session_;
  };

  template <class InputOf>
  void sample(std::span<Sampled* const> some, const InputOf& input_of) {
    std::vector<Flow::Member> members;
    for (Sampled* s : some) members.push_back({input_of(*s), &s->member->condition, s->member->left});
    std::vector<std::vector<float>> samples;
    {
      const Part part(session_, stage_);
      samples = session_.network<Flow>(role_).sample_each(members, settings_);
    }
    const std::vector<StageCost> costs = session_.take_costs();
    for (std::size_t i = 0; i < some.size(); ++i) {
      some[i]->values = std::move(samples[i]);
      add_costs(costs, static_cast<int>(some.size()), *some[i]->member);
    }
  }

  Session& session_;
  const char* role_;
  Stage stage_;
  const SamplerSettings& settings_;
};

std::vector<Sampled*> pointers_to(std::vector<Sampled>& all) {
  std::vector<Sampled*> pointers;
  for (Sampled& sampled : all) pointers.push_back(&sampled);
  return pointers;
}

void sample_structures(Session& session, const SamplerSettings& settings, std::vector<Sampled>& all) {
  const std::int64_t values = session.network<Flow>(kStructureFlow).noise_values(nullptr);
  for (Sampled& sampled : all) sampled.values = draw_noise(sampled.stream, values);
  BatchSampling(session, kStructureFlow, Stage::sample_structure, settings).run(pointers_to(all), [](const Sampled& sampled) {
    return Flow::Input{.noise = sampled.values};
  });
  for (Sampled& sampled : all) {
    BatchMember& member = *sampled.member;
    if (!member.stays()) continue;
    attempt(member, [&] {
      member.voxels = occupied_voxels(decode_structure(session, sampled.values)).voxels;
      if (member.sink->wants_previews()) member.sink->preview(member.voxels, settings.steps, settings.steps);
      member.sink->structure(std::move(sampled.values));
    });
    add_costs(session.take_costs(), 1, member);
  }
}

}  // namespace

void sample_members(Session& session, const TrellisSettings& trellis, const Samplers& samplers,
                    std::span<BatchMember* const> members) {
  std::vector<Sampled> all;
  for (BatchMember* const member : members) all.push_back({member, TorchGenerator(member->request->seed), {}});
  (void)session.take_costs();
  const bool given = !all.empty() && members.front()->structure != nullptr;
  if (given) {
    for (BatchMember* const member : members) member->voxels = *member->structure;
  } else {
    sample_structures(session, samplers.structure, all);
  }
  for (Sampled& sampled : all) {
    BatchMember& member = *sampled.member;
    if (!member.stays()) continue;
    member.sink->sizes(
        {.voxels = static_cast<double>(member.voxels.rows()), .images = static_cast<int>(member.condition.items)});
    sampled.values = draw_noise(sampled.stream, session.network<Flow>(kLatentFlow).noise_values(&member.voxels));
  }
  BatchSampling(session, kLatentFlow, Stage::sample_latent, samplers.latent).run(pointers_to(all), [&](const Sampled& sampled) {
    return Flow::Input{
        .noise = sampled.values, .voxels = &sampled.member->voxels, .mean = trellis.mean, .deviation = trellis.deviation};
  });
  for (Sampled& sampled : all) {
    if (sampled.member->stays()) sampled.member->latent = std::move(sampled.values);
  }
}

}  // namespace espalier
