#include "job_sources.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace espalier::server {

namespace fs = std::filesystem;

namespace {

constexpr const char* kRegionFile = "region.txt";

[[noreturn]] void refuse(const std::string& what, const std::string& hint, int status = 400) {
  throw HttpError(status, "invalid_argument", what, hint);
}

std::vector<std::string> sources_of(const Upload& upload) {
  std::vector<std::string> names;
  for (const char* part : {kLatentPart, kMeshPart, kAssetPart}) {
    if (upload.has(part)) names.emplace_back(part);
  }
  if (upload.texts.contains(kParentPart)) names.emplace_back(kParentPart);
  return names;
}

bool is_edit(const Upload& upload) { return upload.has(kAssetPart) || upload.texts.contains(kParentPart); }

void check_region(const Upload& upload, const Options& options) {
  const EditRequest plain;
  const EditRequest& edit = options.edit;
  const bool list = upload.has(kVoxelsPart);
  if (!is_edit(upload)) {
    const bool asked =
        list || !edit.region.empty() || edit.rim != plain.rim || edit.resample != plain.resample || edit.appearance_only;
    if (asked)
      refuse("a part of an asset is to be edited, but no asset was sent",
             "send it as the part asset, or the id of its job as the part parent");
    return;
  }
  if (list && !edit.region.empty()) refuse("a region and a list of voxels were sent", "send one of them");
  if (!list && edit.region.empty())
    refuse("no region was sent", "give one in the options, such as box:-0.5,-0.5,0.1,0.5,0.5,0.5, or the part voxels");
  if (edit.region.starts_with("voxels"))
    refuse("options: region names a file, which would be one of the server", "send the list as the part voxels");
  if (options.finish.project_image) {
    refuse("options: project_image is for assets of one image, and an edited one is made of more", "leave it out");
  }
  try {
    if (!list) Pipeline::check_region(edit.region);
  } catch (const Error& error) {
    refuse(std::string(error.message()), std::string(error.hint()));
  }
}

}  // namespace

JobKind kind_of(const Upload& upload, const Options& options) {
  if (upload.has(kLatentPart)) return JobKind::latent;
  if (upload.has(kMeshPart)) return JobKind::variant;
  if (is_edit(upload)) return JobKind::edit;
  return options.prompt.empty() ? JobKind::image : JobKind::text;
}

void check_sources(const Upload& upload, const Options& options, const ModelFacts& model) {
  const bool images = !upload.images.empty(), latent = upload.has(kLatentPart);
  const bool prompt = !options.prompt.empty() || !options.negative_prompt.empty();
  const std::vector<std::string> sources = sources_of(upload);
  if (images && latent)
    refuse("images and a latent were sent", "send images as parts named image, or one latent as the part latent");
  if (prompt && (images || latent))
    refuse(images ? "images and a prompt were sent" : "a latent and a prompt were sent", "send one of them");
  if (sources.size() > 1) refuse("the parts " + sources[0] + " and " + sources[1] + " were sent", "send one of them");
  if (!images && !latent && options.prompt.empty()) {
    const std::string common = "send images as parts named image, ";
    refuse("no image was sent", common + (sources.empty() ? "one latent as the part latent, or a prompt in the options"
                                                          : "or a prompt in the options"));
  }
  if (upload.images.size() > 1 && !options.views_of_one) {
    refuse(std::to_string(upload.images.size()) + " images were sent without saying that they are views of one object",
           "set views to true in the options, or send a job for each image");
  }
  if ((options.keep_mesh || options.keep_uvs) && !upload.has(kMeshPart))
    refuse("options: keep_mesh and keep_uvs mean nothing without a mesh", "send one as the part mesh, or leave them out");
  check_region(upload, options);
  if (!latent && prompt != model.takes_text) {
    refuse(prompt ? "a prompt was sent, but the checkpoint " + model.name + " makes assets from images"
                  : "images were sent, but the checkpoint " + model.name + " makes assets from a prompt",
           prompt ? "name a text model in the options (sprout-text), or start the server with one (--model sprout-text)"
                  : "send a prompt in the options",
           422);
  }
}

JobFile file_of_source(const std::string& part, const std::string& name, std::uint64_t bytes) {
  constexpr const char* kBytes = "application/octet-stream";
  if (part == kLatentPart) return {"input.safetensors", "input", "safetensors", kBytes, bytes};
  if (part == kAssetPart) return {"source.safetensors", "source", "safetensors", kBytes, bytes};
  if (part == kVoxelsPart) return {kRegionFile, "source", "txt", "text/plain", bytes};
  // The ending tells OBJ from other text.
  constexpr std::array<std::string_view, 5> kFormats{"glb", "gltf", "obj", "stl", "ply"};
  const auto dot = name.rfind('.');
  std::string ending = dot == std::string::npos ? "" : lower_case(name.substr(dot + 1));
  if (std::find(kFormats.begin(), kFormats.end(), ending) == kFormats.end()) ending = "bin";
  return {"mesh." + ending, "source", ending, kBytes, bytes};
}

void check_source(const std::string& part, const fs::path& path, std::int64_t max_voxels) {
  if (part == kVoxelsPart) {
    Pipeline::check_region("voxels:" + path.string());
    return;
  }
  if (part == kMeshPart) {
    if (load_mesh(path).faces().empty()) throw Error(ErrorCode::format, "the mesh has no faces", "send one with faces");
    return;
  }
  const bool asset = is_asset_file(path), wanted = part == kAssetPart;
  if (asset != wanted) {
    throw Error(ErrorCode::unsupported,
                wanted ? "the file is a saved latent, not an asset" : "the file is a saved asset, not a latent",
                wanted ? "send what a job left as asset.safetensors" : "send what a job left as latent.safetensors");
  }
  if (const std::int64_t voxels = saved_voxels(path); voxels > max_voxels) {
    throw HttpError(
        413, "too_large",
        "the " + part + " has " + std::to_string(voxels) + " voxels; at most " + std::to_string(max_voxels) + " are allowed",
        "send a smaller one, or start the server with a larger --max-voxels");
  }
}

std::string region_of_list(const fs::path& folder) { return "voxels:" + (folder / kRegionFile).string(); }

}  // namespace espalier::server
