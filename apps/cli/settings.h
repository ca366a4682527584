// What the user asked for: the values of the option table (options.h), still as plain values.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "espalier/espalier.h"
#include "espalier/models.h"
#include "server/serve.h"

namespace espalier::cli {

// The command line asks for something that it cannot mean; the program ends with exit code 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class SamplerPreset { checkpoint, app };

// Which of an asset's representations to decode. None set: those that the output files hold.
struct Formats {
  bool mesh = false;
  bool gaussians = false;
  bool radiance_field = false;
  [[nodiscard]] bool any() const { return mesh || gaussians || radiance_field; }
};

struct Settings {
  std::vector<std::filesystem::path> images;
  std::vector<std::filesystem::path> outputs;
  Formats formats;
  SaveOptions save;
  std::filesystem::path preview, save_latent, from_latent, save_asset, turntable, sheet;
  std::vector<std::filesystem::path> inputs;      // of export, check and render
  std::filesystem::path weights_in, weights_out;  // of convert
  Background background = Background::automatic;
  bool no_preprocess = false;  // as Background::none

  // How render draws.
  ViewRequest look;
  std::optional<int> picture_size;  // pixels on a side of a view; unset: as usual for the kind of file
  std::vector<Viewpoint> views;     // none: the default
  double seconds = TurntableRequest{}.seconds;
  int frames_per_second = TurntableRequest{}.frames_per_second;

  FinishRequest finish;  // clean and texture are set from these
  bool raw_mesh = false, no_clean = false, no_texture = false;

  std::filesystem::path model;  // a folder or a name; empty: the checkpoint that ships with the program
  std::filesystem::path image_encoder;

  ModelSettings weights;  // where they are kept, and how pull goes about it
  std::vector<std::string> model_names;
  std::filesystem::path bundle, from_bundle;

  std::uint32_t seed = 42;
  SamplerPreset preset = SamplerPreset::checkpoint;
  SamplerRequest structure, latent;  // only what the user set
  MultiImageMode multi_image = MultiImageMode::stochastic;

  std::string device = "auto";
  Precision precision = Precision::automatic;
  MemoryTier tier = MemoryTier::automatic;

  std::string voxels = "12k";
  int repetitions = 5;
  bool quick = false;

  server::ServeOptions serve;   // what belongs to the server alone
  std::string data_home, home;  // of the environment, for the default of --data

  bool json = false;
  bool quiet = false;
};

}  // namespace espalier::cli
