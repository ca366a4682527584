// espalier-gallery: images beside what is made of them, on one sheet: the finished mesh and the Gaussians from three sides
// each, or the mesh alone from four. Of prompts likewise, under their words. Of edits the mesh before, the region, and the mesh
// after.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>
#include <sstream>
#include <string>
#include <utility>

#include "api/asset.h"
#include "api/painter.h"
#include "assets/region.h"
#include "base/file.h"
#include "espalier/espalier.h"
#include "image/codec.h"
#include "image/preprocess.h"
#include "image/resize.h"
#include "render/views/contact_sheet.h"
#include "runtime/device_choice.h"

namespace espalier::quality {
namespace {

struct Options {
  std::vector<std::string> images, prompts;
  std::vector<std::string> edits;  // three for each: what to make, the region, what to make there
  std::string checkpoint = "models/sprout", device = "auto", output = "gallery.jpg";
  int size = 160, quality = 88, pitch = 20;
  bool mesh_only = false;
  std::uint32_t seed = 42;
};

constexpr std::array<std::uint8_t, 3> kPaper{255, 255, 255};

// So many half turns from the front.
Camera view(float turn, const Options& options) {
  constexpr float kPi = std::numbers::pi_v<float>;
  return camera_of(
      {.yaw = kPi * (1 + turn), .pitch = kPi / 180 * static_cast<float>(options.pitch), .radius = 2.0F, .fov_degrees = 34.0F});
}

// Front and two sides, or all four.
std::vector<Camera> views(const Options& options) {
  const std::vector<float> turns =
      options.mesh_only ? std::vector{-0.09F, 0.41F, 0.91F, 1.41F} : std::vector{0.15F, 0.8F, 1.5F};
  std::vector<Camera> cameras;
  cameras.reserve(turns.size());
  for (const float turn : turns) cameras.push_back(view(turn, options));
  return cameras;
}

// What the encoder sees, but on paper where the image brought its own alpha and nothing else is on the sheet.
Image original(const std::filesystem::path& file, const Options& options) {
  const Image image = load_image_file(file);
  PreparedImage prepared = prepare_image(image, options.size);
  if (!options.mesh_only || !has_alpha(image)) return std::move(prepared.image);
  return resize_lanczos(image, prepared.box, options.size, options.size);
}

// `row`: with what stands before the views.
SheetRow with_views(Pipeline& pipeline, Request request, SheetRow row, const Options& options) {
  request.seed = options.seed;
  request.finish = FinishRequest{};
  const Asset asset = pipeline.generate(request);
  const Exhibit exhibit = exhibit_of(asset.data());
  const auto painter = make_painter(DeviceChoice::named(options.device), exhibit, nullptr);
  const ImageOptions look{.width = options.size, .height = options.size, .background = kPaper};
  const auto draw = [&](RenderStyle style) {
    for (const Camera& camera : views(options)) row.images.push_back(painter->draw(style, true, camera, look));
  };
  draw(resolved_style(RenderStyle::automatic, exhibit));
  if (!options.mesh_only) draw(RenderStyle::splats);
  return row;
}

SheetRow row_of_image(Pipeline& pipeline, const std::filesystem::path& file, const Options& options) {
  Request request;
  request.images = {file};
  return with_views(pipeline, request, {options.mesh_only ? "" : file.stem().string(), {original(file, options)}}, options);
}

SheetRow row_of_prompt(Pipeline& pipeline, const std::string& prompt, const Options& options) {
  Request request;
  request.prompt = prompt;
  return with_views(pipeline, request, {prompt, {}}, options);
}

// ---- Edits

// A line of two pixels between two points of the world.
void draw_line(Image& image, const Camera& camera, const std::array<float, 3>& from, const std::array<float, 3>& to) {
  constexpr std::array<std::uint8_t, 3> kColour{208, 32, 48};
  constexpr int kThick = 2;
  const auto pixel_of = [&](const std::array<float, 3>& p) {
    const auto q = camera.to_camera(p);
    return std::array{(camera.fx * q[0] / q[2] + camera.cx) * static_cast<float>(image.width),
                      (camera.fy * q[1] / q[2] + camera.cy) * static_cast<float>(image.height)};
  };
  const auto a = pixel_of(from), b = pixel_of(to);
  const int steps = static_cast<int>(std::max(std::abs(b[0] - a[0]), std::abs(b[1] - a[1]))) + 1;
  for (int i = 0; i <= steps; ++i) {
    const float share = static_cast<float>(i) / static_cast<float>(steps);
    const int x = static_cast<int>(a[0] + (b[0] - a[0]) * share), y = static_cast<int>(a[1] + (b[1] - a[1]) * share);
    for (int k = 0; k < kThick * kThick; ++k) {
      const int column = x + k % kThick, row = y + k / kThick;
      if (column >= 0 && row >= 0 && column < image.width && row < image.height)
        std::copy(kColour.begin(), kColour.end(), image.at(column, row));
    }
  }
}

// The twelve edges of the box around the region, clipped to the unit cube.
void draw_region(Image& image, const Camera& camera, const std::string& region) {
  constexpr int kSide = 64;
  const CellMarks cells = Region(region).cells(kSide);
  std::vector<std::int32_t> coords;
  for (int i = 0; i < static_cast<int>(cells.size()); ++i) {
    if (cells[static_cast<std::size_t>(i)] != 0)
      coords.insert(coords.end(), {0, i / (kSide * kSide), i / kSide % kSide, i % kSide});
  }
  std::array<float, 6> box{};
  std::istringstream numbers(box_in_words(make_voxels(std::move(coords), 1, kSide)).substr(4));
  for (float& x : box) {
    numbers >> x;
    numbers.ignore(1);
  }
  for (std::size_t axis = 0; axis < 3; ++axis) {
    for (std::size_t corner = 0; corner < 4; ++corner) {
      std::array<float, 3> from{}, to{};
      from[axis] = box[axis];
      to[axis] = box[axis + 3];
      const std::size_t u = (axis + 1) % 3, v = (axis + 2) % 3;
      from[u] = to[u] = box[u + 3 * (corner % 2)];
      from[v] = to[v] = box[v + 3 * (corner / 2)];
      draw_line(image, camera, from, to);
    }
  }
}

// An image, or words where the checkpoint takes them.
Request request_for(const Pipeline& pipeline, const std::string& what, const Options& options) {
  Request request;
  if (pipeline.takes_text()) {
    request.prompt = what;
  } else {
    request.images = {std::filesystem::path(what)};
  }
  request.seed = options.seed;
  request.finish = FinishRequest{};
  return request;
}

SheetRow row_of_edit(Pipeline& pipeline, const std::string& what, const std::string& region, const std::string& part,
                     const Options& options) {
  SheetRow row;
  const auto add_input = [&](const std::string& input) {
    if (!pipeline.takes_text()) row.images.push_back(original(input, options));
  };
  const ImageOptions look{.width = options.size, .height = options.size, .background = kPaper};
  const auto add_views = [&](const Asset& asset, const std::vector<float>& turns, bool with_region) {
    const Exhibit exhibit = exhibit_of(asset.data());
    const auto painter = make_painter(DeviceChoice::named(options.device), exhibit, nullptr);
    for (const float turn : turns) {
      const Camera camera = view(turn, options);
      row.images.push_back(painter->draw(resolved_style(RenderStyle::automatic, exhibit), true, camera, look));
      if (with_region) draw_region(row.images.back(), camera, region);
    }
  };
  constexpr float kFront = 0.15F, kBehind = 1.15F;
  const Asset before = pipeline.generate(request_for(pipeline, what, options));
  EditRequest edit;
  edit.region = region;
  const Asset after = pipeline.edit(before, edit, request_for(pipeline, part, options));
  if (pipeline.takes_text()) row.label = what + " -> " + part;
  add_input(what);
  add_views(before, {kFront}, false);
  add_views(before, {kFront}, true);
  add_input(part);
  add_views(after, {kFront, kBehind}, false);
  return row;
}

std::vector<std::byte> encoded(const Image& sheet, const Options& options) {
  const std::filesystem::path ending = std::filesystem::path(options.output).extension();
  if (ending == ".png") return encode_png(sheet);
  if (ending == ".webp") return encode_webp(sheet, {.quality = options.quality});
  return encode_jpeg(sheet, options.quality);
}

// The row under its words, broken into lines that are no wider than its images.
std::vector<SheetRow> in_lines(SheetRow row) {
  constexpr std::size_t kLetter = 12;  // pixels of a letter on a sheet
  std::size_t width = 0;
  for (const Image& image : row.images) width += static_cast<std::size_t>(image.width);
  std::vector<SheetRow> rows;
  std::istringstream words(row.label);
  std::string line;
  for (std::string word; words >> word;) {
    if (!line.empty() && (line.size() + 1 + word.size()) * kLetter > width) {
      rows.push_back({line, {}});
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  row.label = line;
  rows.push_back(std::move(row));
  return rows;
}

void run(const Options& options) {
  Pipeline pipeline({.checkpoint = options.checkpoint, .device = options.device});
  std::vector<SheetRow> rows;
  rows.reserve(options.images.size() + options.prompts.size());
  const auto add = [&](const std::string& what, SheetRow row) {
    for (SheetRow& line : in_lines(std::move(row))) rows.push_back(std::move(line));
    std::printf("%s\n", what.c_str());
    std::fflush(stdout);
  };
  for (const std::string& file : options.images) add(file, row_of_image(pipeline, file, options));
  for (const std::string& prompt : options.prompts) add(prompt, row_of_prompt(pipeline, prompt, options));
  for (std::size_t i = 0; i + 2 < options.edits.size(); i += 3)
    add(options.edits[i + 1], row_of_edit(pipeline, options.edits[i], options.edits[i + 1], options.edits[i + 2], options));
  write_file(options.output, encoded(contact_sheet(rows, kPaper), options));
}

}  // namespace
}  // namespace espalier::quality

int main(int argc, char** argv) {
  CLI::App app("Images beside what is made of them, on one sheet.", "espalier-gallery");
  espalier::quality::Options options;
  auto* const what = app.add_option_group("what", "what to make assets of")->require_option(1);
  what->add_option("IMAGE", options.images, "images of objects");
  what->add_option("--prompt", options.prompts, "words, for a text checkpoint; may be repeated");
  what->add_option("--edit", options.edits,
                   "an image (or words), a region, an image (or words) of what to make there; may be repeated")
      ->type_name("WHAT REGION WHAT")
      ->type_size(3);
  app.add_option("--checkpoint", options.checkpoint, "folder of the checkpoint")->capture_default_str();
  app.add_option("--device", options.device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--seed", options.seed, "seed of the noise")->capture_default_str();
  app.add_option("--size", options.size, "pixels on a side of a view")->check(CLI::Range(32, 1024))->capture_default_str();
  app.add_option("--pitch", options.pitch, "degrees from above, or below 0 from below")
      ->check(CLI::Range(-89, 89))
      ->capture_default_str();
  app.add_flag("--mesh-only", options.mesh_only, "the mesh from four sides, without names and Gaussians");
  app.add_option("--quality", options.quality, "of a JPEG or WebP")->check(CLI::Range(1, 100))->capture_default_str();
  app.add_option("-o,--output", options.output, "the sheet, a JPEG or, by its name, a PNG or WebP")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    espalier::quality::run(options);
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "espalier-gallery: %s\n", e.what());
    return 1;
  }
}
