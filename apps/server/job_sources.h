// What a new job is made of: the parts of its request that hold together, and what each has to be.
#pragma once

#include <string>

#include "espalier/options.h"
#include "job_runner.h"
#include "job_store.h"
#include "uploads.h"

namespace espalier::server {

// Names of parts beside images.
inline constexpr const char* kLatentPart = "latent";
inline constexpr const char* kMeshPart = "mesh";      // gets other details
inline constexpr const char* kAssetPart = "asset";    // a part of it is made anew
inline constexpr const char* kVoxelsPart = "voxels";  // of an edit, instead of a region in words
inline constexpr const char* kParentPart = "parent";  // the id of a job whose asset is edited; a text

[[nodiscard]] JobKind kind_of(const Upload& upload, const Options& options);

// Throws HttpError 400 for parts and options that do not belong together, and 422 for what the model does not take.
void check_sources(const Upload& upload, const Options& options, const ModelFacts& model);

// How a source is kept in its job's folder. `name`: as the client calls it.
[[nodiscard]] JobFile file_of_source(const std::string& part, const std::string& name, std::uint64_t bytes);

// Throws Error for a source, at its place in the job's folder, that the job could not begin with, and HttpError 413 for more
// than `max_voxels`.
void check_source(const std::string& part, const std::filesystem::path& path, std::int64_t max_voxels);

// "voxels:" with the list that was sent.
[[nodiscard]] std::string region_of_list(const std::filesystem::path& folder);

}  // namespace espalier::server
