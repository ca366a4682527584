#include "job_batch.h"

#include <algorithm>

#include "job_options.h"

namespace espalier::server {

namespace {

Json json_of(const SamplerRequest& request) {
  const auto value = [](const auto& optional) { return optional ? Json(*optional) : Json(nullptr); };
  Json solver = nullptr;
  if (request.solver) solver = static_cast<int>(*request.solver);
  return Json::array({value(request.steps), value(request.guidance), value(request.rescale_t), value(request.interval), solver,
                      value(request.reuse), value(request.reuse_order), value(request.guidance_reuse)});
}

}  // namespace

std::string batch_key(const Job& job) {
  if (job.kind != JobKind::image && job.kind != JobKind::text) return {};
  try {
    const Options options = parse_generate_options(text_of(job.options), Spelling::any);
    const auto images = std::count_if(job.files.begin(), job.files.end(), [](const JobFile& file) {
      return file.role == "input" && file.media_type.starts_with("image/");
    });
    return text_of(Json::array({name_of(job.kind), options.model.string(), images, static_cast<int>(options.preset),
                                static_cast<int>(options.multi_image), json_of(options.structure), json_of(options.latent)}));
  } catch (const std::exception&) {
    return {};
  }
}

}  // namespace espalier::server
