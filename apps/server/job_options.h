// What a client may ask of a job, from JSON that is not trusted, and back.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "espalier/espalier.h"
#include "http_message.h"

namespace espalier::server {

// A format that results are written in.
struct ResultFormat {
  const char* name;  // "glb"; the file is asset.NAME
  const char* media_type;
  bool mesh;      // holds the mesh, else the Gaussians
  bool textured;  // can hold a texture
};
[[nodiscard]] const ResultFormat* find_format(const std::string& name);

struct TurntableOptions {
  bool mp4 = true;  // else an animated WebP
  RenderStyle style = RenderStyle::automatic;
  double seconds = 4;
  int size = 512;
};

// How to finish and write an asset: what exports and generation have in common.
struct FinishOptions {
  bool raw_mesh = false;
  FinishRequest finish;
  std::vector<std::string> formats{"glb"};
  SaveOptions save;

  // Whether the finished mesh is the same; formats are another matter.
  [[nodiscard]] bool same_mesh(const FinishOptions& other) const;
  // Nothing for a raw mesh. Nobody waits for a texture that no file can hold.
  [[nodiscard]] std::optional<FinishRequest> request() const;
};

struct GenerateOptions {
  std::string name;
  std::uint32_t seed = 0;
  bool app_preset = false;
  SamplerRequest structure, latent;
  MultiImageMode multi_image = MultiImageMode::stochastic;
  std::vector<Background> background{Background::automatic};  // one for all pictures, or one for each
  FinishOptions finish;
};

struct ExportOptions {
  std::string name;
  FinishOptions finish;
  std::optional<TurntableOptions> turntable;  // instead of files
};

// Throw HttpError 400 that names the key for anything unknown, of another type, or outside of what is possible.
// A seed that is absent or null is drawn.
[[nodiscard]] GenerateOptions parse_generate_options(const std::string& text);
// What is not given holds as it did for the job that is exported.
[[nodiscard]] ExportOptions parse_export_options(const std::string& text, const FinishOptions& of_parent);
[[nodiscard]] Background parse_background(const std::string& text);

// With every value that holds; reading it back gives the same options.
[[nodiscard]] Json to_json(const GenerateOptions& options);
[[nodiscard]] Json to_json(const ExportOptions& options);

// At most 200 bytes of UTF-8 without control characters and without such as hide or turn text around.
[[nodiscard]] std::string clean_name(const std::string& text);

}  // namespace espalier::server
