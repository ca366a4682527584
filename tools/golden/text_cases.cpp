// Cases of text and of given shapes: the tokenizer, CLIP's text tower, voxels of a mesh.
#include "geometry/voxelize/voxelize.h"
#include "models/clip/clip.h"
#include "nn/backends.h"
#include "runner.h"
#include "sparse/structure.h"
#include "text/clip_tokenizer.h"

namespace espalier::golden {
namespace {

constexpr std::int64_t kTokens = 77;

bool starts(const Case& c, const char* prefix) { return c.name().rfind(prefix, 0) == 0; }

std::vector<PromptTokens> tokens_of(const Case& c) {
  const ClipTokenizer tokenizer = ClipTokenizer::embedded();
  std::vector<PromptTokens> all;
  for (const auto& prompt : c.spec().at("prompts"))
    all.push_back(tokenizer.encode(prompt.get<std::string>(), kTokens, "the prompt"));
  return all;
}
std::vector<std::int32_t> joined_ids(const std::vector<PromptTokens>& all) {
  std::vector<std::int32_t> ids;
  for (const PromptTokens& one : all) ids.insert(ids.end(), one.ids.begin(), one.ids.end());
  return ids;
}

void run_tokenizer(Case& c) {
  const std::vector<PromptTokens> all = tokens_of(c);
  std::vector<int> counts;
  for (const PromptTokens& one : all) counts.push_back(one.count);
  c.compare("ids", joined_ids(all));
  c.compare("counts", counts);
}

// hidden [texts, 77, width], or hiddenK [77, width] of single texts.
template <class Dev, class T>
void run_tower(Bench<Dev>& b, Case& c) {
  const Frame<Dev> frame(b.arena);
  const ModuleSource m = c.manifest().module(c.spec().at("checkpoint").get<std::string>());
  const auto loaded =
      load_model<ClipText<Dev, T>>(b.queue, *m.tensors, ClipTextConfig::from(m.arguments()), c.format(LayerRows::few));
  const std::vector<std::int32_t> ids = joined_ids(tokens_of(c));
  c.compare("ids", ids);
  const auto rows = static_cast<std::int64_t>(ids.size());
  const std::int64_t width = loaded->model->config().channels;
  auto states = b.arena.template take<float, 2>({rows, width});
  loaded->model->forward(b.queue, b.template put<std::int32_t, 1>(ids, {rows}), states);
  c.compare("hidden", b.get(states));
  for (std::int64_t i = 0; i * kTokens < rows; ++i) c.compare(str("hidden", i), b.get(states.rows(i * kTokens, kTokens)));
}

// The same voxels for each of several samples.
std::vector<std::int32_t> repeated(const Voxels& voxels, std::int32_t samples) {
  std::vector<std::int32_t> all;
  for (std::int32_t s = 0; s < samples; ++s) {
    for (std::size_t i = 0; i < voxels.coords.size(); i += 4)
      all.insert(all.end(), {s, voxels.coords[i + 1], voxels.coords[i + 2], voxels.coords[i + 3]});
  }
  return all;
}

}  // namespace

std::vector<std::int32_t> voxels_of_mesh(Case& c, Voxels& voxels, std::int32_t samples) {
  constexpr int kResolution = 64;
  const std::vector<double> vertices = c.input("vertices").to_doubles();
  voxels = voxelize(vertices, c.ints("faces"), unit_placement(vertices), kResolution);
  std::vector<std::int32_t> triples;
  for (std::size_t i = 0; i < voxels.coords.size(); ++i) {
    if (i % 4 != 0) triples.push_back(voxels.coords[i]);
  }
  c.compare("voxels", triples);
  return repeated(voxels, samples);
}

template <class Dev, class T>
bool run_text_case(Bench<Dev>& b, Case& c) {
  constexpr double kHalf = 3e-2;
  if (starts(c, "tokenizer")) {
    run_tokenizer(c);
  } else if (starts(c, "text_tower") || starts(c, "clip_text")) {
    c.relax(kHalf);
    run_tower<Dev, T>(b, c);
  } else if (starts(c, "voxelize")) {
    Voxels voxels;
    constexpr std::int32_t kSamples = 2;
    c.compare("coords2", voxels_of_mesh(c, voxels, kSamples));
  } else {
    return false;
  }
  return true;
}

#define ESPALIER_INSTANTIATE(Dev, T) template bool run_text_case<Dev, T>(Bench<Dev>&, Case&);
ESPALIER_FOR_EACH_BACKEND(ESPALIER_INSTANTIATE)
#undef ESPALIER_INSTANTIATE

}  // namespace espalier::golden
