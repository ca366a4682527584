// Espalier: where weights come from and where they are. Downloads from a model hub into the caches that other programs share,
// finds what is already on the machine, and turns a name into the folders that a Pipeline opens.
//
//   const espalier::ModelSettings settings{.variables = {{"HOME", "/home/me"}}};
//   espalier::pull_model("trellis-image-large", settings);
//   const espalier::ModelLocation found = espalier::find_model("trellis-image-large", settings);
//   espalier::Pipeline pipeline({.checkpoint = found.checkpoint, .image_encoder = found.image_encoder,
//                                .repositories = found.repositories});
//
// Every function may throw espalier::Error with one line that says what to do. Sizes are bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "espalier/export.h"

namespace espalier {

struct ModelSettings {
  // Variables of the environment, by name; the library reads none by itself. Those that matter: HOME, HF_HUB_CACHE,
  // HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, XDG_DATA_HOME, HF_ENDPOINT, HF_TOKEN, HUGGING_FACE_HUB_TOKEN,
  // HF_TOKEN_PATH, HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE, HF_HUB_ETAG_TIMEOUT, HF_HUB_DOWNLOAD_TIMEOUT, TORCH_HOME, U2NET_HOME,
  // COMFYUI_PATH, ESPALIER_MIRROR, SSL_CERT_FILE; and any that stands in one of them as $NAME.
  std::map<std::string, std::string> variables{};
  bool offline = false;            // use no network; HF_HUB_OFFLINE sets it too
  std::filesystem::path folder{};  // pull and import into this flat folder instead of the caches
  bool verify = false;             // also hash files that were verified when they came
  int parallel = 4;                // files that are fetched at once
};

struct ModelFile {
  std::string name;              // inside its repository: ckpts/NAME.safetensors
  std::string repository;        // OWNER/REPO; empty for a file with an address of its own
  std::uint64_t bytes = 0;       // 0: not known before it is fetched
  std::filesystem::path path{};  // where it is; empty: missing
};

struct ModelState {
  std::string name, summary, licence;
  std::string repository, revision;  // of the part that is opened; empty for a single file
  std::vector<ModelFile> files;
  std::uint64_t bytes = 0, missing_bytes = 0;
  int missing_files = 0;
  std::filesystem::path folder{};  // where the part that is opened is; empty: nowhere complete
};

// Every model that is known by name, and what of it is on this machine (by names and sizes; nothing is hashed).
[[nodiscard]] ESPALIER_API std::vector<ModelState> list_models(const ModelSettings& settings);

struct PullProgress {
  std::string activity;  // "fetching", "verifying", "copying"
  std::string file;      // the one that moved last
  std::uint64_t done = 0, total = 0;
  double bytes_per_second = 0.0;
  double seconds_left = -1.0;  // negative while unknown
  int files_done = 0, files = 0;
};

// Callbacks run on the thread that called.
struct PullObserver {
  std::function<void(const PullProgress&)> progress{};
  std::function<bool()> cancelled{};  // true: stop soon with ErrorCode::cancelled; what came so far is kept
  std::function<void(const std::string&)> message{};
};

struct PullReport {
  std::string name;
  std::filesystem::path folder;  // of the part that is opened, or of the file
  std::vector<ModelFile> files;
  std::uint64_t bytes = 0, fetched_bytes = 0;  // of all files; that came over the network or out of the bundle
  int fetched_files = 0;
  double seconds = 0.0;
};

// Fetches what is missing of a model: a name of list_models(), or OWNER/REPO or OWNER/REPO@REVISION of the hub, with the
// files of other repositories that its pipeline.json refers to. Every file is verified before it counts. An interrupted
// call goes on where it stopped.
ESPALIER_API PullReport pull_model(const std::string& name, const ModelSettings& settings, const PullObserver& observer = {});

// Writes models that are on this machine into one file, for a machine without a network. Uses no network.
ESPALIER_API PullReport write_bundle(const std::vector<std::string>& names, const std::filesystem::path& file,
                                     const ModelSettings& settings, const PullObserver& observer = {});
// Takes over what such a file holds; every file is verified.
ESPALIER_API PullReport import_bundle(const std::filesystem::path& file, const ModelSettings& settings,
                                      const PullObserver& observer = {});

struct ModelLocation {
  std::filesystem::path checkpoint;                           // a folder with pipeline.json
  std::filesystem::path image_encoder{};                      // empty: beside the checkpoint, or none is needed
  std::map<std::string, std::filesystem::path> repositories;  // OWNER/REPO as pipeline.json spells it -> its folder
};

// What `text` means: an existing folder, a name of list_models(), OWNER/REPO or OWNER/REPO@REVISION. Uses no network. Throws
// not_found with the command that fetches what is missing, and its size.
// An image encoder that is nowhere is an error unless `own_image_encoder`: then the caller brings one.
[[nodiscard]] ESPALIER_API ModelLocation find_model(const std::string& text, const ModelSettings& settings,
                                                    bool own_image_encoder = false);

// The name that people know a checkpoint's folder by: TRELLIS-image-large for
// models--microsoft--TRELLIS-image-large/snapshots/..., else the last part of the path.
[[nodiscard]] ESPALIER_API std::string model_title(const std::filesystem::path& checkpoint);

// "4.52 GB": decimal units, as hubs and network providers count.
[[nodiscard]] ESPALIER_API std::string decimal_bytes(std::uint64_t bytes);

}  // namespace espalier
