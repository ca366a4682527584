// Assets as files of all formats that SaveOptions is about.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "api/asset.h"
#include "io/formats/named_file.h"
#include "weights/safetensors.h"

namespace espalier {

// Asset::save: by the ending of the path. A set of several files goes into the path's folder.
void save_as(const Asset::Data& data, const std::filesystem::path& path, const SaveOptions& options);
// Asset::encode for the endings of save_as, without their dots.
[[nodiscard]] std::vector<NamedFile> encoded_as(const Asset::Data& data, const std::string& format, const SaveOptions& options);

// Asset::left_out_of.
[[nodiscard]] std::vector<std::string> left_out_of(const Asset::Data& data, const std::string& format);

// What Asset::save_latent, save_asset and save_preview write; `label` is what errors call it.
struct SavedTensors {
  std::map<std::string, HostTensor> tensors;
  std::map<std::string, std::string> metadata;
};
[[nodiscard]] SavedTensors latent_tensors(const Asset::Data& data, const std::string& label);
[[nodiscard]] SavedTensors asset_tensors(const Asset::Data& data, const std::string& label);
[[nodiscard]] std::vector<std::byte> encoded_preview(const Asset::Data& data, const std::string& label);

// Throws invalid_argument where the asset has none.
[[nodiscard]] const Gaussians& gaussians_of(const Asset::Data& data, const std::string& label);

}  // namespace espalier
