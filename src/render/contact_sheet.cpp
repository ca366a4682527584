#include "render/contact_sheet.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "render/mesh_picture.h"
#include "render/pixels.h"
#include "render/splat_renderer.h"

namespace espalier {

namespace {

// Columns of dots of the characters from ' ' to '~'; the lowest bit is the upper dot.
constexpr std::array<std::array<std::uint8_t, 5>, 95> kLetters = {{
    {{0x00, 0x00, 0x00, 0x00, 0x00}}, {{0x00, 0x00, 0x5F, 0x00, 0x00}}, {{0x00, 0x07, 0x00, 0x07, 0x00}},
    {{0x14, 0x7F, 0x14, 0x7F, 0x14}}, {{0x24, 0x2A, 0x7F, 0x2A, 0x12}}, {{0x23, 0x13, 0x08, 0x64, 0x62}},
    {{0x36, 0x49, 0x55, 0x22, 0x50}}, {{0x00, 0x05, 0x03, 0x00, 0x00}}, {{0x00, 0x1C, 0x22, 0x41, 0x00}},
    {{0x00, 0x41, 0x22, 0x1C, 0x00}}, {{0x14, 0x08, 0x3E, 0x08, 0x14}}, {{0x08, 0x08, 0x3E, 0x08, 0x08}},
    {{0x00, 0x50, 0x30, 0x00, 0x00}}, {{0x08, 0x08, 0x08, 0x08, 0x08}}, {{0x00, 0x60, 0x60, 0x00, 0x00}},
    {{0x20, 0x10, 0x08, 0x04, 0x02}}, {{0x3E, 0x51, 0x49, 0x45, 0x3E}}, {{0x00, 0x42, 0x7F, 0x40, 0x00}},
    {{0x42, 0x61, 0x51, 0x49, 0x46}}, {{0x21, 0x41, 0x45, 0x4B, 0x31}}, {{0x18, 0x14, 0x12, 0x7F, 0x10}},
    {{0x27, 0x45, 0x45, 0x45, 0x39}}, {{0x3C, 0x4A, 0x49, 0x49, 0x30}}, {{0x01, 0x71, 0x09, 0x05, 0x03}},
    {{0x36, 0x49, 0x49, 0x49, 0x36}}, {{0x06, 0x49, 0x49, 0x29, 0x1E}}, {{0x00, 0x36, 0x36, 0x00, 0x00}},
    {{0x00, 0x56, 0x36, 0x00, 0x00}}, {{0x08, 0x14, 0x22, 0x41, 0x00}}, {{0x14, 0x14, 0x14, 0x14, 0x14}},
    {{0x00, 0x41, 0x22, 0x14, 0x08}}, {{0x02, 0x01, 0x51, 0x09, 0x06}}, {{0x32, 0x49, 0x79, 0x41, 0x3E}},
    {{0x7E, 0x11, 0x11, 0x11, 0x7E}}, {{0x7F, 0x49, 0x49, 0x49, 0x36}}, {{0x3E, 0x41, 0x41, 0x41, 0x22}},
    {{0x7F, 0x41, 0x41, 0x22, 0x1C}}, {{0x7F, 0x49, 0x49, 0x49, 0x41}}, {{0x7F, 0x09, 0x09, 0x09, 0x01}},
    {{0x3E, 0x41, 0x49, 0x49, 0x7A}}, {{0x7F, 0x08, 0x08, 0x08, 0x7F}}, {{0x00, 0x41, 0x7F, 0x41, 0x00}},
    {{0x20, 0x40, 0x41, 0x3F, 0x01}}, {{0x7F, 0x08, 0x14, 0x22, 0x41}}, {{0x7F, 0x40, 0x40, 0x40, 0x40}},
    {{0x7F, 0x02, 0x0C, 0x02, 0x7F}}, {{0x7F, 0x04, 0x08, 0x10, 0x7F}}, {{0x3E, 0x41, 0x41, 0x41, 0x3E}},
    {{0x7F, 0x09, 0x09, 0x09, 0x06}}, {{0x3E, 0x41, 0x51, 0x21, 0x5E}}, {{0x7F, 0x09, 0x19, 0x29, 0x46}},
    {{0x46, 0x49, 0x49, 0x49, 0x31}}, {{0x01, 0x01, 0x7F, 0x01, 0x01}}, {{0x3F, 0x40, 0x40, 0x40, 0x3F}},
    {{0x1F, 0x20, 0x40, 0x20, 0x1F}}, {{0x3F, 0x40, 0x38, 0x40, 0x3F}}, {{0x63, 0x14, 0x08, 0x14, 0x63}},
    {{0x07, 0x08, 0x70, 0x08, 0x07}}, {{0x61, 0x51, 0x49, 0x45, 0x43}}, {{0x00, 0x7F, 0x41, 0x41, 0x00}},
    {{0x02, 0x04, 0x08, 0x10, 0x20}}, {{0x00, 0x41, 0x41, 0x7F, 0x00}}, {{0x04, 0x02, 0x01, 0x02, 0x04}},
    {{0x40, 0x40, 0x40, 0x40, 0x40}}, {{0x00, 0x01, 0x02, 0x04, 0x00}}, {{0x20, 0x54, 0x54, 0x54, 0x78}},
    {{0x7F, 0x48, 0x44, 0x44, 0x38}}, {{0x38, 0x44, 0x44, 0x44, 0x20}}, {{0x38, 0x44, 0x44, 0x48, 0x7F}},
    {{0x38, 0x54, 0x54, 0x54, 0x18}}, {{0x08, 0x7E, 0x09, 0x01, 0x02}}, {{0x0C, 0x52, 0x52, 0x52, 0x3E}},
    {{0x7F, 0x08, 0x04, 0x04, 0x78}}, {{0x00, 0x44, 0x7D, 0x40, 0x00}}, {{0x20, 0x40, 0x44, 0x3D, 0x00}},
    {{0x7F, 0x10, 0x28, 0x44, 0x00}}, {{0x00, 0x41, 0x7F, 0x40, 0x00}}, {{0x7C, 0x04, 0x18, 0x04, 0x78}},
    {{0x7C, 0x08, 0x04, 0x04, 0x78}}, {{0x38, 0x44, 0x44, 0x44, 0x38}}, {{0x7C, 0x14, 0x14, 0x14, 0x08}},
    {{0x08, 0x14, 0x14, 0x18, 0x7C}}, {{0x7C, 0x08, 0x04, 0x04, 0x08}}, {{0x48, 0x54, 0x54, 0x54, 0x20}},
    {{0x04, 0x3F, 0x44, 0x40, 0x20}}, {{0x3C, 0x40, 0x40, 0x20, 0x7C}}, {{0x1C, 0x20, 0x40, 0x20, 0x1C}},
    {{0x3C, 0x40, 0x30, 0x40, 0x3C}}, {{0x44, 0x28, 0x10, 0x28, 0x44}}, {{0x0C, 0x50, 0x50, 0x50, 0x3C}},
    {{0x44, 0x64, 0x54, 0x4C, 0x44}}, {{0x00, 0x08, 0x36, 0x41, 0x00}}, {{0x00, 0x00, 0x7F, 0x00, 0x00}},
    {{0x00, 0x41, 0x36, 0x08, 0x00}}, {{0x10, 0x08, 0x08, 0x10, 0x08}},
}};
constexpr std::array<std::uint8_t, 5> kUnknown = {0x7F, 0x41, 0x41, 0x41, 0x7F};
constexpr int kLetterRows = 7, kLetterColumns = 6;

constexpr int kGap = 12;  // pixels around and between pictures
constexpr int kDot = 2;
constexpr int kLabelHeight = kLetterRows * kDot + kGap;

void paste(const Picture& from, Picture& to, int x, int y, const std::array<std::uint8_t, 3>& background) {
  for (int row = 0; row < from.height; ++row) {
    for (int column = 0; column < from.width; ++column) {
      const std::uint8_t* pixel = from.at(column, row);
      const float alpha = from.channels == 4 ? static_cast<float>(pixel[3]) / 255.0F : 1.0F;
      const Vec3 colour =
          Vec3{{static_cast<float>(pixel[0]), static_cast<float>(pixel[1]), static_cast<float>(pixel[2])}} * (1.0F / 255.0F);
      write_pixel(colour, alpha, background, to.at(x + column, y + row));
    }
  }
}

int height_of(const SheetRow& row) {
  int height = 0;
  for (const Picture& p : row.pictures) height = std::max(height, p.height);
  return height;
}

std::vector<Camera> cameras_around(int count) {
  constexpr float kPi = std::numbers::pi_v<float>;
  constexpr float kYaw = -16.0F / 180.0F * kPi, kPitch = 20.0F / 180.0F * kPi;
  std::vector<Camera> cameras;
  for (int i = 0; i < count; ++i) {
    const float turn = 2.0F * kPi * static_cast<float>(i) / static_cast<float>(count);
    cameras.push_back(camera_of({.yaw = kYaw + turn, .pitch = kPitch}));
  }
  return cameras;
}

SheetRow gaussian_row(Queue<Cpu>& queue, const Gaussians& gaussians, std::span<const Camera> cameras,
                      const SheetOptions& options) {
  const std::int64_t size = options.view_size;
  SplatRenderer<Cpu> renderer(queue, gaussians);
  SplatOptions look{.width = options.view_size, .height = options.view_size};
  for (std::size_t c = 0; c < 3; ++c) look.background[c] = static_cast<float>(options.background[c]) / 255.0F;
  SheetRow row{"Gaussians", {}};
  std::vector<float> colour(static_cast<std::size_t>(3 * size * size)), alpha(static_cast<std::size_t>(size * size));
  for (const Camera& camera : cameras) {
    renderer.render(camera, look, View<Cpu, float, 3>(colour.data(), {size, size, 3}),
                    View<Cpu, float, 2>(alpha.data(), {size, size}));
    Picture picture(options.view_size, options.view_size, 3);
    std::transform(colour.begin(), colour.end(), picture.pixels.begin(), byte_of);
    row.pictures.push_back(std::move(picture));
  }
  return row;
}

}  // namespace

void draw_text(Picture& picture, int x, int y, const std::string& text, int dot, const std::array<std::uint8_t, 3>& colour) {
  require(picture.channels == 3 && dot > 0, "draw_text", "text needs an RGB picture and dots of at least one pixel");
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int code = static_cast<unsigned char>(text[i]) - ' ';
    const auto& letter =
        code >= 0 && code < static_cast<int>(kLetters.size()) ? kLetters[static_cast<std::size_t>(code)] : kUnknown;
    const int left = x + static_cast<int>(i) * kLetterColumns * dot;
    for (int py = std::max(y, 0); py < std::min(y + kLetterRows * dot, picture.height); ++py) {
      for (int px = std::max(left, 0); px < std::min(left + (kLetterColumns - 1) * dot, picture.width); ++px) {
        const auto column = static_cast<std::size_t>((px - left) / dot);
        if ((letter[column] >> ((py - y) / dot) & 1) != 0) std::copy(colour.begin(), colour.end(), picture.at(px, py));
      }
    }
  }
}

Picture contact_sheet(std::span<const SheetRow> rows, const SheetOptions& options) {
  constexpr std::int64_t kMaxSide = 32768;
  std::int64_t width = 0, height = kGap;
  for (const SheetRow& row : rows) {
    std::int64_t across = kGap;
    for (const Picture& p : row.pictures) {
      require(p.channels == 3 || p.channels == 4, "contact_sheet", "a picture of ", p.channels, " channels");
      across += p.width + kGap;
    }
    width = std::max(width, across);
    height += height_of(row) + kGap + (row.label.empty() ? 0 : kLabelHeight);
  }
  if (rows.empty() || width > kMaxSide || height > kMaxSide) {
    fail(ErrorCode::invalid_argument, "a contact sheet of ", width, " x ", height, " pixels is not possible; show 1 to ",
         kMaxSide, " on a side");
  }
  Picture sheet(static_cast<int>(width), static_cast<int>(height), 3);
  for (std::size_t i = 0; i < sheet.pixels.size(); ++i) sheet.pixels[i] = options.background[i % 3];
  const int brightness = options.background[0] * 3 + options.background[1] * 6 + options.background[2];
  const std::uint8_t ink = brightness > 1275 ? 40 : 220;
  int y = kGap;
  for (const SheetRow& row : rows) {
    if (!row.label.empty()) {
      draw_text(sheet, kGap, y, row.label, kDot, {ink, ink, ink});
      y += kLabelHeight;
    }
    int x = kGap;
    for (const Picture& p : row.pictures) {
      paste(p, sheet, x, y, options.background);
      x += p.width + kGap;
    }
    y += height_of(row) + kGap;
  }
  return sheet;
}

Picture asset_sheet(const Mesh* mesh, const Picture* texture, const Gaussians* gaussians, const SheetOptions& options) {
  require(mesh != nullptr || gaussians != nullptr, "asset_sheet", "there is nothing to show");
  constexpr int kMaxViews = 64;
  if (options.views < 1 || options.views > kMaxViews) {
    fail(ErrorCode::invalid_argument, options.views, " views on a contact sheet are not possible; choose 1 to ", kMaxViews);
  }
  const std::vector<Camera> cameras = cameras_around(options.views);
  std::vector<SheetRow> rows;
  Queue<Cpu> queue;
  if (gaussians != nullptr) rows.push_back(gaussian_row(queue, *gaussians, cameras, options));
  if (mesh != nullptr) {
    using Style = MeshLook::Style;
    const bool unwrapped = !mesh->uvs.empty();
    MeshPainter painter(queue, *mesh, unwrapped ? texture : nullptr);
    const PictureOptions look{.width = options.view_size, .height = options.view_size, .background = options.background};
    for (const Style style :
         {Style::textured, Style::colour, Style::clay, Style::normals, Style::wireframe, Style::uv_checker}) {
      if (style == Style::textured && (!unwrapped || texture == nullptr)) continue;
      if (style == Style::uv_checker && !unwrapped) continue;
      if (style == Style::colour && mesh->colours.empty()) continue;
      SheetRow row{std::string(name_of(style)), {}};
      for (const Camera& camera : cameras) row.pictures.push_back(painter.draw(camera, {.style = style}, look));
      rows.push_back(std::move(row));
    }
  }
  return contact_sheet(rows, options);
}

}  // namespace espalier
